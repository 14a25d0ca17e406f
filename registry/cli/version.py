"""`plimsoll version`."""

from importlib import metadata

import typer

app = typer.Typer()


@app.command()
def version() -> None:
    """The version of this program."""
    try:
        number = metadata.version("plimsoll")
    except metadata.PackageNotFoundError:
        number = "(not installed as a package)"  # as in our images, which carry the code alone
    typer.echo(f"plimsoll {number}")
