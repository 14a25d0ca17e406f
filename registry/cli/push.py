"""`plimsoll push`: hash, upload, sign with the publisher's key, publish."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import options, output
from registry.core import fields, names
from registry.core.canonical import Json
from registry.core.oms import File

if TYPE_CHECKING:
    from registry.cli.client import Client
    from registry.cli.uploading import Progress
    from registry.trust.keys import SigningKey

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Draft:
    """What shall be published: whose files, under which name and number, and what is said of it."""

    model: str
    version: int | None
    format: str
    files: tuple[File, ...]
    metadata: dict[str, Json]


Name = Annotated[str, typer.Argument(help="The model's name.", metavar="NAME")]
Source = Annotated[Path, typer.Argument(help="The model's folder, or its one file.")]
Key = Annotated[Path, typer.Option(envvar="PLIMSOLL_KEY", help="The publisher's private key file.")]
Number = Annotated[
    int | None, typer.Option(min=1, help="The number to publish; without it, the next one.")
]
Format = Annotated[
    str | None, typer.Option("--format", help="onnx or saved_model; without it, found out.")
]
Description = Annotated[str, typer.Option(help="A sentence about this version.")]
Commit = Annotated[str, typer.Option(help="The Git commit it was trained from.")]
Metrics = Annotated[
    list[str] | None, typer.Option(help="A result, such as accuracy=0.98; repeatable.")
]


@app.command()
def push(  # noqa: PLR0913, PLR0917  the options of a command
    name: Name,
    path: Source,
    key: Key,
    version: Number = None,
    model_format: Format = None,
    description: Description = "",
    commit: Commit = "",
    metric: Metrics = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Publish a model version. Repeating a push, or finishing a broken one, is safe."""
    from registry.cli import uploading  # noqa: PLC0415  heavy
    from registry.formats import detect  # noqa: PLC0415
    from registry.trust import keys  # noqa: PLC0415  heavy

    names.slug(name)
    metrics = dict(_metric(text) for text in metric or [])
    signing_key = keys.load_signing_key(key)
    places = uploading.collect(path)
    found, _ = detect.head(places, model_format)
    with _progress("hashing", places) as advance:
        files = uploading.hash_files(places, advance)
    metadata: dict[str, Json] = {"description": description, "commit": commit, "metrics": metrics}
    draft = Draft(name, version, found, files, metadata)
    with options.connect(server, token_file) as client:
        published = _published_before(client, draft)
        if published is None:
            with _progress("uploading", places) as advance:
                uploading.upload(client, files, places, advance)
            published = client.publish(name, _document(draft, signing_key))
    _print(published, form)


def _print(published: dict[str, Json], form: output.Form) -> None:
    if form is output.Form.JSON:
        output.print_json(published)
    else:
        typer.echo(f"{published.get('model')} {published.get('version')} {published.get('digest')}")


def _document(draft: Draft, key: "SigningKey") -> dict[str, Json]:
    from registry.trust import sign  # noqa: PLC0415  heavy

    listed: list[Json] = [
        {"path": file.path, "digest": file.digest, "size": file.size} for file in draft.files
    ]
    return {
        "version": draft.version,
        "format": draft.format,
        "files": listed,
        "publisherBundle": sign.sign_model(draft.model, draft.files, key),
        "metadata": draft.metadata,
    }


def _published_before(client: "Client", draft: Draft) -> dict[str, Json] | None:
    """The newest version that is exactly these files: a repeated push must not make another.

    With a number asked for, the registry itself answers a repetition with what it has.
    """
    if draft.version is not None:
        return None
    try:
        known = fields.objects(client.model(draft.model), "versions", what="model document")
    except errors.NotFound:
        return None
    ours = {(file.path, file.digest) for file in draft.files}
    same = [
        document
        for document in known
        if document.get("format") == draft.format and _files_of(document) == ours
    ]
    if not same:
        return None
    newest = max(same, key=lambda document: fields.integer(document, "version", what="version"))
    output.message(f"published before, as version {newest.get('version')}")
    return newest


def _files_of(document: dict[str, Json]) -> set[tuple[str, str]]:
    listed = fields.objects(document, "files", what="version document")
    return {(str(item.get("path")), str(item.get("digest"))) for item in listed}


def _metric(text: str) -> tuple[str, Json]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise errors.InvalidInput(
            f"metric {text[:80]!r} is not NAME=NUMBER", fix="write it like --metric accuracy=0.98"
        ) from None


@contextmanager
def _progress(title: str, places: Mapping[str, Path]) -> Iterator["Progress"]:
    """A bar on stderr for people; nothing where nobody watches."""
    from rich.console import Console  # noqa: PLC0415  heavy
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn  # noqa: PLC0415

    console = Console(stderr=True)
    bar = Progress(
        *Progress.get_default_columns(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(title, total=sum(place.stat().st_size for place in places.values()))
        yield lambda count: bar.advance(task, count)
