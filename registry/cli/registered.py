"""What a Typer application holds, however it was put together."""

from collections.abc import Iterator

import typer
from typer.models import CommandInfo


def commands(app: typer.Typer) -> Iterator[CommandInfo]:
    """Its own, and those of what was added to it without a name."""
    yield from app.registered_commands
    for group in app.registered_groups:
        if not isinstance(group.name, str) and group.typer_instance is not None:
            yield from commands(group.typer_instance)


def name(command: CommandInfo) -> str:
    """How it is called."""
    return str(command.name or getattr(command.callback, "__name__", ""))
