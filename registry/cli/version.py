"""`plimsoll version`."""

from importlib import metadata

import typer

app = typer.Typer()


@app.command()
def version() -> None:
    """The version of this program."""
    typer.echo(f"plimsoll {metadata.version('plimsoll')}")
