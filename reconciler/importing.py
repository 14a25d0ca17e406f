"""`plimsoll import`: what other servers were told, as documents for models.d."""

from pathlib import Path
from typing import Annotated

import typer

from registry import errors

app = typer.Typer(
    no_args_is_help=True, help="Print another server's configuration as a document for models.d."
)
File = Annotated[Path, typer.Argument(help="The file to read.")]


@app.command("tensorflow-serving")
def tensorflow_serving(path: File) -> None:
    """Read models.config (model_config_list); what has no place here is named with its line."""
    from reconciler.core.foreign import imported  # noqa: PLC0415  of use here only

    try:
        found = imported.tensorflow_serving(_text(path))
    except errors.InvalidInput as error:
        raise errors.InvalidInput(f"{path}: {error.detail}") from error
    typer.echo("\n---\n".join("\n".join(imported.lines(one)) for one in found))


@app.command("triton")
def triton(path: File) -> None:
    """Read one model's config.pbtxt; what has no place here is named with its line."""
    from reconciler.core.foreign import imported  # noqa: PLC0415  of use here only

    try:
        found = imported.triton(_text(path), name=path.absolute().parent.name)
    except errors.InvalidInput as error:
        raise errors.InvalidInput(f"{path}: {error.detail}") from error
    typer.echo("\n".join(imported.lines(found)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise errors.NotFound(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise errors.InvalidInput(f"{path}: is not UTF-8 text") from error
