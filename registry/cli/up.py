"""`plimsoll up`: registry and reconciler in one process, from one configuration file.

The registry knows no reconciler: whatever is installed under the entry points
`plimsoll.services` runs beside it, in a thread each, until the process is told to stop.
"""

import json
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors

if TYPE_CHECKING:
    from importlib import metadata

    from registry.settings import Settings
    from registry.usecases.opening import Registry

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
    _introduce_reconciler(config, settings)
    server = Server(settings)
    server.start()
    failures: list[BaseException] = []
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        _provide_token(config, server.app.state.registry)
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


def _introduce_reconciler(config: Path, settings: "Settings") -> None:
    """At the first start: make the reconciler's key, and let the trust root list it.

    Never again afterwards: a key that somebody has taken off the list stays off.
    """
    from registry.trust import keys  # noqa: PLC0415  heavy

    listed = settings.reconcilers_file
    if listed.exists():
        return
    folder = config.resolve().parent / str(_reconciler(config).get("state", "reconciler"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = keys.load_or_create_signing_key(folder / "reconciler.pem")
    listed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    document = {"reconcilers": [{"name": "reconciler", "publicKey": key.public_pem}]}
    with suppress(FileExistsError):
        keys.write_new(listed, json.dumps(document, indent=2).encode() + b"\n")


def _reconciler(config: Path) -> dict[str, object]:
    import tomllib  # noqa: PLC0415  for this command alone

    table = tomllib.loads(config.read_text(encoding="utf-8")).get("reconciler")
    if not isinstance(table, dict):
        raise errors.InvalidConfig(f"{config}: the table [reconciler] is missing")
    return table


def _provide_token(config: Path, registry: "Registry") -> None:
    """Mint the reconciler's own token at the first start: it never needs the admin's."""
    from registry.usecases import access  # noqa: PLC0415  heavy
    from registry.usecases.access import Caller, Role  # noqa: PLC0415  heavy

    path = config.resolve().parent / str(_reconciler(config).get("token_file", "reconciler.token"))
    if path.exists():
        return
    by = Caller(Role.ADMIN, "first-start")
    token = access.mint(registry, role=Role.RECONCILER, name="reconciler", by=by)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(token + "\n")
