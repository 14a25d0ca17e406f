"""Puts the commands together and is the one boundary where errors become exit codes, which
registry/exits.py lists.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import chain

import typer
from typer.exceptions import Abort, TyperException

from registry import errors
from registry.cli import registered
from registry.exits import Exit

_GROUP = "plimsoll.commands"
# Each command, and the modules of this package that make it: no other is loaded to run it. Some
# add their commands to a group of another.
HOMES: Mapping[str, tuple[str, ...]] = {
    "push": ("push",),
    "pull": ("pull",),
    "export": ("exporting",),
    "convert": ("exporting",),
    "package": ("packaging",),
    "bundle": ("bundling",),
    "model": ("models", "describing", "explaining", "rendering", "search"),
    "alias": ("aliases",),
    "approve": ("approving",),
    "quarantine": ("approving",),
    "evidence": ("evidence",),
    "audit": ("audit", "audit_log", "audit_export", "audit_proof", "audit_query", "audit_report"),
    "keys": ("keys",),
    "sign": ("signing",),
    "verify": ("signing",),
    "trust": ("trust",),
    "token": ("tokens",),
    "host": ("hosts",),
    "whoami": ("whoami",),
    "login": ("context",),
    "logout": ("context",),
    "context": ("context",),
    "status": ("status",),
    "diff": ("diff",),
    "wait": ("waiting",),
    "history": ("history",),
    "events": ("history",),
    "webhook": ("webhooks",),
    "watermark": ("watermark", "watermark_detect", "trigger"),
    "optimise": ("optimising",),
    "serve": ("serve",),
    "version": ("version",),
    "admin": (
        *("admin", "admin_gc", "admin_holds", "admin_persons", "admin_backup", "admin_keys"),
        "admin_migrate",
    ),
}


# To some of our groups other packages add commands: they are loaded for these, and for help.
SHARED: Mapping[str, frozenset[str]] = {"model": frozenset({"", "--help", "promote"})}


def build(command: str = "", within: str = "") -> typer.Typer:
    """The program as far as `command`, and what is `within` it, need it; else all of it, with what
    other packages add."""
    app = _bare()
    is_ours = command in HOMES and within not in SHARED.get(command, ())
    others = [] if is_ours else list(_others())
    if command and command not in HOMES and command in _names(others):
        # One of another package: ours need not be loaded to run it, nor its others be built.
        for part in others:
            app.registered_commands.extend(
                one for one in registered.commands(part) if registered.name(one) == command
            )
            app.registered_groups.extend(g for g in part.registered_groups if g.name == command)
        return app
    for part in _parts(HOMES.get(command) or tuple(chain.from_iterable(HOMES.values()))):
        _merge(app, part)
    for part in others:
        _merge(app, part)
    return app if command in HOMES else _arranged(app)


def _arranged(app: typer.Typer) -> typer.Typer:
    from registry.cli import panels  # noqa: PLC0415  for help alone

    panels.arrange(app)
    return app


def overview() -> typer.Typer:
    """The names of all commands and what they are for, and nothing that could be run: of this
    package none is loaded."""
    from registry.cli import listed  # noqa: PLC0415  for this alone

    app = _bare()
    for name, said in listed.COMMANDS.items():
        app.command(name, help=said)(_nothing)
    for name, said in listed.GROUPS.items():
        app.add_typer(typer.Typer(), name=name, help=said)
    for part in _others():
        fresh = typer.Typer()
        fresh.registered_commands = part.registered_commands
        fresh.registered_groups = [
            group for group in part.registered_groups if group.name not in listed.GROUPS
        ]
        _merge(app, fresh)
    return _arranged(app)


def _bare() -> typer.Typer:
    app = typer.Typer(
        name="plimsoll",
        help="A declarative GitOps model registry for Docker hosts.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    # Typer would take the only command that was loaded for the whole program.
    app.callback(help=app.info.help)(_nothing)
    return app


def _others() -> Iterator[typer.Typer]:
    """What other packages add."""
    from importlib import metadata  # noqa: PLC0415  a tenth of the time of a short command

    for entry in sorted(metadata.entry_points(group=_GROUP), key=lambda found: found.name):
        try:
            yield entry.load()
        except ImportError as error:
            typer.echo(f"commands of {entry.name!r} are not available: {error}", err=True)


def _names(parts: Sequence[typer.Typer]) -> set[str]:
    """Of the commands and groups in `parts`, as far as they say so; else they are found later."""
    found = {registered.name(one) for part in parts for one in registered.commands(part)}
    return found | {str(one.name) for part in parts for one in part.registered_groups}


def _parts(names: Sequence[str]) -> Iterator[typer.Typer]:
    """One app for each group, however many modules add to it."""
    loaded = [import_module(f"registry.cli.{name}") for name in dict.fromkeys(names)]
    yield from dict.fromkeys(module.app for module in loaded)


def _nothing() -> None:
    """What the program does before a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        given = ["version"] if given == ["--version"] else given
        command, within = [*given, "", ""][:2]
        app = overview() if given == ["--help"] else build(command, within)
        code = app(args=given, standalone_mode=False)
    except errors.PlimsollError as error:
        _explain(error)
        return error.exit_code
    except (ModuleNotFoundError, PermissionError) as error:
        explained = _explained(error)
        if explained is None:
            raise
        _explain(explained)
        return explained.exit_code
    except TyperException as error:
        _show(error)
        return Exit.USAGE
    except (KeyboardInterrupt, Abort):
        typer.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.BROKEN_PIPE
    return code if isinstance(code, int) else 0


def _explained(error: ModuleNotFoundError | PermissionError) -> errors.PlimsollError | None:
    """What it means here; None where it is a defect of ours."""
    if isinstance(error, ModuleNotFoundError):
        from registry.cli import missing  # noqa: PLC0415  seldom needed

        return missing.explained(error)
    # Often a service's, and the command was run by a person.
    return errors.InvalidConfig(
        f"{error.filename or error}: permission denied",
        fix="run this as who it belongs to, such as: runuser -u plimsoll -- plimsoll …",
    )


def _merge(app: typer.Typer, part: typer.Typer) -> None:
    """Its commands and groups stand at the top, beside those of the others; groups of the same name
    become one."""
    app.registered_commands.extend(part.registered_commands)
    for group in part.registered_groups:
        named = [one for one in app.registered_groups if isinstance(one.name, str)]
        known = next((one for one in named if one.name == group.name), None)
        if known is None:
            app.registered_groups.append(group)
        elif known.typer_instance is not None and group.typer_instance is not None:
            joined = typer.Typer(no_args_is_help=True, help=known.typer_instance.info.help)
            _merge(joined, known.typer_instance)
            _merge(joined, group.typer_instance)
            app.registered_groups.remove(known)
            app.add_typer(joined, name=group.name)


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
