"""`plimsoll up`: registry and reconciler in one process, from one configuration file.

The registry knows no reconciler: whatever is installed under the entry points
`plimsoll.services` runs beside it, in a thread each, until the process is told to stop.
"""

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import introducing

if TYPE_CHECKING:
    from importlib import metadata


app = typer.Typer()

_SERVICES = "plimsoll.services"
_JOIN_S = 15.0


@app.command()
def up(
    config: Annotated[Path, typer.Option(help="The configuration file.")] = Path("plimsoll.toml"),
) -> None:
    """Run registry and reconciler together, for a small team's single machine."""
    from registry import configuration, logs  # noqa: PLC0415  heavy
    from registry.api.server import Server  # noqa: PLC0415  heavy

    logs.configure()
    settings = configuration.load(config)
    introducing.key(config, settings)
    server = Server(settings)
    server.start()
    failures: list[BaseException] = []
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        introducing.token(config, server.app.state.registry)
        threads = [_start(entry, config, stop, failures) for entry in _services()]
        typer.echo(f"registry   {server.addresses[0]}", err=True)
        while not stop.wait(0.5):
            if not all(thread.is_alive() for thread in threads):
                stop.set()
        for thread in threads:
            thread.join(_JOIN_S)
    finally:
        server.stop()
    if failures:
        raise failures[0]


def _services() -> "list[metadata.EntryPoint]":
    from importlib import metadata  # noqa: PLC0415  slow to load

    return sorted(metadata.entry_points(group=_SERVICES), key=lambda entry: entry.name)


def _start(
    entry: "metadata.EntryPoint",
    config: Path,
    stop: threading.Event,
    failures: list[BaseException],
) -> threading.Thread:
    def run() -> None:
        try:
            entry.load()(config, stop)
        except BaseException as error:  # noqa: BLE001  raised again by `up`, once all has ended
            failures.append(error)

    thread = threading.Thread(target=run, name=entry.name, daemon=True)
    thread.start()
    return thread
