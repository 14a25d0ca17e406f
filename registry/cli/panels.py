"""In which order, and under which heading, help shows the commands: by what one is about to do."""

import copy
import inspect
from collections.abc import Mapping
from typing import TypeVar

import typer
from typer.models import CommandInfo, TyperInfo

from registry.cli import registered

PANELS: Mapping[str, tuple[str, ...]] = {
    "See what is deployed": ("status", "diff", "wait", "history", "events", "logs", "doctor"),
    "Change what is deployed": ("validate", "plan", "import", "secrets", "schema"),
    "Steer a rollout": (
        "promote", "pause", "resume", "abort", "rollback", "retry", "pin", "unpin",
    ),
    "Publish and pull models": (
        "push", "pull", "sign", "verify", "approve", "quarantine", "model", "alias", "evidence",
    ),
    "Make models ready": (
        "export", "convert", "optimise", "package", "bundle", "reference", "watermark",
    ),
    "Run the services": ("up", "serve", "reconcile", "agent", "host", "admin", "webhook"),
    "On Kubernetes": ("render", "apply"),
    "Trust and audit": ("audit", "trust", "keys", "permit", "policy", "git"),
    "You and your registries": ("login", "logout", "whoami", "context", "token", "version"),
}  # fmt: skip
Info = TypeVar("Info", CommandInfo, TyperInfo)
_PLACES = {
    name: (number, heading)
    for number, (heading, names) in enumerate(PANELS.items())
    for name in names
}
_LAST = len(PANELS), ""


def arrange(app: typer.Typer) -> None:
    """Give each command of `app` its place; one that has none comes last, without a heading."""
    commands = [(registered.name(one), one) for one in registered.commands(app)]
    app.registered_commands = [_placed(name, one) for name, one in sorted(commands, key=_key)]
    groups = [(one.name, one) for one in app.registered_groups if isinstance(one.name, str)]
    app.registered_groups = [_placed(name, one) for name, one in sorted(groups, key=_key)]


def _key(named: tuple[str, object]) -> tuple[int, int]:
    number, heading = _PLACES.get(named[0], _LAST)
    return number, PANELS[heading].index(named[0]) if heading else 0


def _placed(name: str, one: Info) -> Info:
    """A copy: what others have made stays as it is."""
    found = copy.copy(one)
    found.rich_help_panel = _PLACES.get(name, _LAST)[1] or found.rich_help_panel
    if isinstance(found, CommandInfo):
        said = found.help or inspect.getdoc(found.callback) or ""
        found.short_help = " ".join(said.partition("\n\n")[0].split())
    return found
