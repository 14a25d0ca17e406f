"""`plimsoll serve`: the registry alone, in the foreground."""

import gc
from pathlib import Path
from typing import Annotated

import typer

from registry.cli import output

app = typer.Typer()


@app.command()
def serve(
    config: Annotated[Path, typer.Option(help="The configuration file.")] = Path("plimsoll.toml"),
) -> None:
    """Run the registry until it is told to stop."""
    # Loading makes much, and nothing of it is garbage: looking for some takes a third of a start.
    gc.disable()
    from registry import configuration, logs  # noqa: PLC0415  heavy
    from registry.api.server import Server  # noqa: PLC0415  heavy

    logs.configure()
    server = Server(configuration.load(config))
    output.message(f"registry   {', '.join(server.addresses)}")
    server.run()
