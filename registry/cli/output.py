"""What goes to stdout: aligned columns for people, JSON for programs. Messages go to stderr."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from registry.core.canonical import Json


class _Form(StrEnum):
    @property
    def is_data(self) -> bool:
        """Whether it is for programs: a document rather than columns."""
        return self.value in ("json", "yaml")


class Form(_Form):
    """How a command prints its result."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Listing(_Form):
    """How a command prints a list; `wide` has more columns, `name` only what each is called."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Output = Annotated[Form, typer.Option("--output", "-o", help="How to print the result.")]
Listed = Annotated[Listing, typer.Option("--output", "-o", help="How to print the list.")]


def print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_document(form: Form | Listing, document: object) -> None:
    """As JSON, or as YAML where that was asked for."""
    if form.value == "yaml":
        from registry.cli import yaml_text  # noqa: PLC0415  for this alone

        typer.echo(yaml_text.render(document), nl=False)
    else:
        print_json(document)


def print_listing(
    form: Listing,
    titles: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    wide: Collection[str] = (),
) -> None:
    """Columns, but for those that only `wide` shows; or the first column alone, without a title."""
    listed = list(rows)
    if form is Listing.NAME:
        for row in listed:
            typer.echo(plain(row[0]))
        return
    shown = [n for n, title in enumerate(titles) if form is Listing.WIDE or title not in wide]
    print_table([titles[n] for n in shown], [[row[n] for n in shown] for row in listed])


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as they must be; nothing is cut off, so the output can be searched."""
    lines = [[title.upper() for title in titles]]
    lines += [["-" if cell in (None, "") else plain(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One `name  value` a line."""
    listed = list(fields)
    width = max((len(name) for name, _ in listed), default=0)
    for name, value in listed:
        typer.echo(f"{name.ljust(width)}  {'-' if value in (None, '') else plain(value)}")


def message(text: str) -> None:
    """For whoever watches; never part of the result."""
    typer.echo(text, err=True)


def shape(tensor: Json) -> str:
    """`float32[?, 64]`, with ? for what is free."""
    if not isinstance(tensor, dict):
        return "?"
    sizes = tensor.get("shape")
    listed = ", ".join("?" if size is None else str(size) for size in sizes) if isinstance(
        sizes, list
    ) else "…"  # fmt: skip
    return f"{tensor.get('name')}: {tensor.get('dtype')}[{listed}]"


def size(count: int) -> str:
    """Bytes for people: `1.5 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def at(seconds: object) -> str:
    """A time in seconds since the epoch, for people; empty where there is none."""
    if not isinstance(seconds, int | float):
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def plain(cell: object) -> str:
    """Text from elsewhere cannot steer the terminal."""
    return "".join(char if char.isprintable() else "�" for char in str(cell))
