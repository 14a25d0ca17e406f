"""Puts the commands together and is the one boundary where errors become exit codes.

0 done, 1 failed, 2 there are changes (only where asked for), 3 refused by policy or as unsafe,
4 not authenticated or not allowed, 5 integrity, 6 wait timed out, 64 wrong usage, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from importlib import metadata

import typer
from typer.exceptions import Abort, TyperException

from registry import errors
from registry.cli import (
    admin,
    admin_backup,
    admin_gc,
    admin_holds,
    admin_keys,
    admin_persons,
    aliases,
    approving,
    audit,
    audit_export,
    audit_proof,
    audit_query,
    audit_report,
    describing,
    evidence,
    hosts,
    keys,
    models,
    pull,
    push,
    search,
    serve,
    signing,
    status,
    tokens,
    trigger,
    trust,
    version,
    webhooks,
    whoami,
)

USAGE, INTERRUPTED, BROKEN_PIPE = 64, 130, 141
_GROUP = "plimsoll.commands"
# Some of these add their commands to a group of another: one app is merged once.
_PARTS = (
    push,
    pull,
    models,
    describing,
    search,
    aliases,
    approving,
    evidence,
    audit,
    audit_export,
    audit_proof,
    audit_query,
    audit_report,
    keys,
    signing,
    trust,
    trigger,
    tokens,
    hosts,
    whoami,
    status,
    webhooks,
    serve,
    version,
    admin,
    admin_gc,
    admin_holds,
    admin_persons,
    admin_backup,
    admin_keys,
)


def build() -> typer.Typer:
    """The whole program, with the commands of every installed package."""
    app = typer.Typer(
        name="plimsoll",
        help="A declarative GitOps model registry for Docker hosts.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    for part in dict.fromkeys(part.app for part in _PARTS):
        _merge(app, part)
    for entry in sorted(metadata.entry_points(group=_GROUP), key=lambda found: found.name):
        try:
            _merge(app, entry.load())
        except ImportError as error:
            typer.echo(f"commands of {entry.name!r} are not available: {error}", err=True)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        code = build()(args=arguments, standalone_mode=False)
    except errors.PlimsollError as error:
        _explain(error)
        return error.exit_code
    except TyperException as error:
        _show(error)
        return USAGE
    except (KeyboardInterrupt, Abort):
        typer.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code if isinstance(code, int) else 0


def _merge(app: typer.Typer, part: typer.Typer) -> None:
    """Its commands and groups stand at the top, beside those of the others."""
    app.registered_commands.extend(part.registered_commands)
    app.registered_groups.extend(part.registered_groups)


def _explain(error: errors.PlimsollError) -> None:
    typer.secho(f"error: {error.detail}", err=True, fg=None if _is_plain() else "red")
    if error.fix:
        typer.echo(f"  fix: {error.fix}", err=True)


def _show(error: TyperException) -> None:
    show = getattr(error, "show", None)
    if callable(show):
        show()
    else:
        typer.echo(str(error), err=True)


def _is_plain() -> bool:
    return "NO_COLOR" in os.environ or not sys.stderr.isatty()
