"""`plimsoll audit verify` and `log`: the log of all that happened, checked and read."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import audit_source, options, output
from registry.core import entries
from registry.core.audit import timeline
from registry.core.audit.findings import Findings
from registry.core.audit.timeline import Interval, Timeline
from registry.core.entries import Entry

if TYPE_CHECKING:
    from registry.cli.client import Client

app = typer.Typer()
audit_app = typer.Typer(no_args_is_help=True, help="The log of all that happened.")
app.add_typer(audit_app, name="audit")

_TITLES = ("index", "time", "kind", "model", "host", "deployment", "commit", "actor", "reason")
_PAGE = 1000
_SHOWN = 50


@audit_app.command()
def verify(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="An exported bundle; without it, the registry's log is checked."),
    ] = None,
    trust: options.Trust = None,
    last_checkpoint: Annotated[
        Path | None,
        typer.Option(help="Remembers the log as it was last seen; made at the first time."),
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Check a bundle offline, or a registry's whole log, and print what ran where and when."""
    served = Timeline()
    asked = audit_source.Asked(bundle, trust, server, token_file)
    with audit_source.opened(asked) as source:
        seen = audit_source.remembered(last_checkpoint, source.trust)
        for recorded in source.walk(seen):
            served.add(recorded.index, recorded.entry)
        source.require_sound()
    found = source.found
    if last_checkpoint is not None:
        _remember(last_checkpoint, found.signed.text)
    extends = [one.size for one in (*found.earlier, *seen)]
    runs = timeline.served(served.intervals)
    if form.is_data:
        output.print_document(form, _verdict(found, extends, runs))
    else:
        _print_verdict(found, extends, runs)


@audit_app.command("log")
def show_log(  # noqa: PLR0913, PLR0917  the options of a command
    model: Annotated[str, typer.Option(help="Only entries about this model.")] = "",
    host: Annotated[str, typer.Option(help="Only entries about this host.")] = "",
    kind: Annotated[str, typer.Option(help="Only entries of this kind, such as deployed.")] = "",
    last: Annotated[int, typer.Option(min=1, help="How many of the newest to read.")] = 100,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """The newest entries, as the registry shows them; `audit verify` checks them."""
    wanted = {"model": model, "host": host, "kind": str(entries.kind(kind)) if kind else ""}
    with options.connect(server, token_file) as client:
        newest = _newest(client, last)
    found = [
        (index, entry)
        for index, entry in newest
        if all(not value or getattr(entry, name) == value for name, value in wanted.items())
    ]
    print_entries(found, form)


def print_entries(found: Sequence[tuple[int, Entry]], form: output.Listing) -> None:
    """Entries with where they stand, for people or for programs."""
    if form.is_data:
        output.print_document(form, [{"index": index, **asdict(entry)} for index, entry in found])
        return
    output.print_listing(form, _TITLES, [_row(index, entry) for index, entry in found])


def _verdict(found: Findings, extends: list[int], runs: list[Interval]) -> dict[str, object]:
    signed = found.signed
    return {
        "verdict": "intact",
        "size": signed.size,
        "root": signed.root.hex(),
        "origin": signed.origin,
        "witnesses": list(found.witnesses),
        "documents": found.documents,
        "erased": found.erased,
        "extends": max(extends, default=None),
        "notices": found.notices,
        "runs": [_run(run) for run in runs],
    }


def _run(run: Interval) -> dict[str, object]:
    return {
        "deployment": run.deployment,
        "host": run.host,
        "model": run.model,
        "version": run.version,
        "digest": run.digest,
        "since": run.since.time if run.since else "",
        "until": run.until.time if run.until else "",
        "commit": run.commit,
        "reason": run.reason,
    }


def _print_verdict(found: Findings, extends: list[int], runs: list[Interval]) -> None:
    output.print_table(
        ("deployment", "host", "version", "from", "until", "commit", "why"),
        [
            (run.deployment, run.host, f"{run.model}@{run.version}",
             run.since.time if run.since else "", run.until.time if run.until else "now",
             run.commit[:12], run.reason)
            for run in runs[-_SHOWN:]
        ],
    )  # fmt: skip
    if len(runs) > _SHOWN:
        typer.echo(f"and {len(runs) - _SHOWN} before them: see `plimsoll audit query --served`")
    signed = found.signed
    before = f", extends the {max(extends)} seen before" if extends else ""
    typer.echo(
        f"\nintact: {signed.size} entries, root {signed.root.hex()}, signed by "
        f"{' and '.join((signed.origin, *found.witnesses))}, {found.documents} documents{before}"
    )


def _newest(client: "Client", count: int) -> list[tuple[int, Entry]]:
    size = client.log_page(0, 1).size
    start, found = max(0, size - count), []
    while start < size:
        page = client.log_page(start, min(_PAGE, size - start))
        if not page.leaves:
            break
        found += [(index, entries.decode(leaf)) for index, leaf in page.leaves]
        start += len(page.leaves)
    return found


def _row(index: int, entry: Entry) -> tuple[object, ...]:
    version = f"{entry.model}@{entry.version}" if entry.version else entry.model
    return (
        index, entry.time, entry.kind, version, entry.host, entry.deployment,
        entry.commit[:12], entry.actor, entry.reason,
    )  # fmt: skip


def _remember(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: the checkpoint cannot be kept: {error.strerror}",
            fix="name a file in a folder that this user may write to",
        ) from error
