"""`plimsoll admin`: for who runs the registry, on its machine, with its configuration file.

These commands work on the database and the blobs themselves, while the registry serves or while
it is down. In the log whoever runs them stands under a pseudonym; `plimsoll admin person show`
says whose it is.
"""

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors

if TYPE_CHECKING:
    from registry.settings import Settings
    from registry.usecases.access import Caller
    from registry.usecases.opening import Registry

app = typer.Typer()
admin_app = typer.Typer(no_args_is_help=True, help="Run the registry: clean, hold, erase, save.")
app.add_typer(admin_app, name="admin")

Config = Annotated[Path, typer.Option("--config", help="The registry's configuration file.")]
DEFAULT_CONFIG = Path("plimsoll.toml")


@admin_app.callback()
def admin() -> None:
    """Run the registry: clean, hold, erase, save."""


def settings_of(config: Path) -> "Settings":
    """What the file says; raises InvalidConfig."""
    from registry import configuration  # noqa: PLC0415  heavy

    return configuration.load(config)


@contextmanager
def opened(config: Path) -> Iterator["Registry"]:
    """The registry that is there; none is made where there is none."""
    from registry.usecases import opening  # noqa: PLC0415  heavy

    settings = settings_of(config)
    if not (settings.data_dir / "keys" / "log.pem").exists():
        raise errors.InvalidConfig(
            f"there is no registry in {settings.data_dir}",
            fix="name the configuration of the one you mean with --config",
        )
    registry = opening.open_registry(settings)
    try:
        yield registry
    finally:
        registry.close()


def caller(registry: "Registry") -> "Caller":
    """Who sits at this machine, for the log: under a pseudonym, as all persons."""
    from registry.usecases import persons  # noqa: PLC0415  heavy
    from registry.usecases.access import Caller, Role  # noqa: PLC0415  heavy

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    issuer = f"local:{socket.gethostname()}"
    return Caller(Role.ADMIN, persons.pseudonym_of(registry, issuer, user[:256], user))


def nobody() -> "Caller":
    """Whoever sits at this machine, where there is no registry yet that could keep a pseudonym."""
    from registry.usecases.access import Caller, Role  # noqa: PLC0415  heavy

    return Caller(Role.ADMIN, "local")
