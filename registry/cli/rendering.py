"""`plimsoll model render`: a version laid out for other servers, Compose or systemd."""

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry import errors
from registry.cli import models, options, output, pull
from registry.core import fields, tensors
from registry.core.canonical import Json

if TYPE_CHECKING:
    from registry.making.rendering.rendered import Rendered, Version

app = models.app


class For(StrEnum):
    """Who shall serve it."""

    TENSORFLOW_SERVING = "tensorflow-serving"
    TRITON = "triton"
    COMPOSE = "compose"
    SYSTEMD = "systemd"


@models.model_app.command()
def render(  # noqa: PLR0913, PLR0917  the options of a command
    server_kind: Annotated[For, typer.Argument(help="Who shall serve it.", metavar="SERVER")],
    reference: Annotated[
        str, typer.Argument(help="NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")
    ],
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet, or is empty.")],
    image: Annotated[
        str, typer.Option(help="The runtime's image, for compose.")
    ] = "plimsoll-runtime:dev",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where clients ask.")] = 8501,
    registry: Annotated[
        str, typer.Option(help="The registry as the runtime sees it; without it, --server.")
    ] = "",
    host: Annotated[str, typer.Option(help="What the host is called in the log.")] = "host",
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Lay a version out for another server, files verified; or for our runtime without Git."""
    from registry.making.rendering import rendered  # noqa: PLC0415  heavy

    _require_room(folder)
    with options.connect(server, token_file) as client:
        model, number = options.reference(client, reference)
        version = _version(client.version(model, number))
        place = rendered.Place(image, port, registry or client.url, host)
    found = _rendered(server_kind, version, place)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as work:
        whole = Path(work) / "whole"
        whole.mkdir()
        if found.files is not None:
            access = options.Access(server, token_file)
            pull.fetch(f"{model}@{number}", whole / found.files, trust, access)
        for path, text in found.texts.items():
            (whole / path).write_text(text, encoding="utf-8")
        whole.chmod(0o755)
        whole.replace(folder)
    output.message(f"{', '.join(sorted(found.texts))} in {folder}")
    typer.echo(f"{model} {number} {version.digest} {folder}")


def _rendered(kind: For, version: "Version", place: Any) -> "Rendered":
    from registry.making.rendering import (  # noqa: PLC0415  heavy
        own_runtime,
        tensorflow_serving,
        triton,
    )

    match kind:
        case For.TRITON:
            return triton.render(version)
        case For.TENSORFLOW_SERVING:
            return tensorflow_serving.render(version)
        case For.COMPOSE:
            return own_runtime.compose(version, place)
        case For.SYSTEMD:
            return own_runtime.systemd(version, place)


def _version(document: dict[str, Json]) -> "Version":
    from registry.formats import detect  # noqa: PLC0415  heavy
    from registry.making.rendering import rendered  # noqa: PLC0415

    listed = fields.objects(document, "files", what="version document")
    found = fields.text(document, "format", what="version document")
    _, head = detect.head([str(one.get("path")) for one in listed], found)
    return rendered.Version(
        fields.text(document, "model", what="version document"),
        fields.integer(document, "version", what="version document"),
        fields.text(document, "digest", what="version document"),
        found,
        head,
        tensors.signature(fields.mapping(document, "signature", what="version document")),
    )


def _require_room(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise errors.Conflict(
            f"{folder} is there already and not empty", fix="name a folder that is not there yet"
        )
