"""`plimsoll promote`, `abort`, `pause`, `resume`: what a person does to a rollout under way.
`rollback`, `retry`, `pin`, `unpin`, `model promote`: what they do at any time.

Run where the reconciler runs: the wish is left beside its memory, with the reason.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors

if TYPE_CHECKING:
    from reconciler.core.strategies.progress import Wish

app = typer.Typer()
# Its other commands are the registry's.
model_app = typer.Typer(no_args_is_help=True, help="Models and their versions.")
_PATIENCE_S = 10.0

Deployment = Annotated[str, typer.Argument(help="As ENVIRONMENT/NAME.")]
Reason = Annotated[str, typer.Option(help="Why; it goes into the log.")]
Config = Annotated[Path, typer.Option(help="The configuration file.", show_default=True)]

_WILL = {
    "promote": "go on with the next step",
    "promote_full": "move all traffic",
    "abort": "send every host back and quarantine the version",
    "pause": "stay there",
    "resume": "begin that step again",
}


@app.command()
def promote(
    deployment: Deployment,
    *,
    reason: Reason,
    full: Annotated[
        bool, typer.Option("--full", help="Move all traffic now, whatever steps are left.")
    ] = False,
    config: Config = Path("plimsoll.toml"),
) -> None:
    """Let a rollout go on to its next step."""
    _leave(deployment, "promote_full" if full else "promote", reason, config)


@app.command()
def abort(
    deployment: Deployment, *, reason: Reason, config: Config = Path("plimsoll.toml")
) -> None:
    """Send every host back to its last known good version, and quarantine the new one."""
    _leave(deployment, "abort", reason, config)


@app.command()
def pause(
    deployment: Deployment, *, reason: Reason, config: Config = Path("plimsoll.toml")
) -> None:
    """Let a rollout stay where it is until somebody resumes or promotes it."""
    _leave(deployment, "pause", reason, config)


@app.command()
def resume(
    deployment: Deployment, *, reason: Reason, config: Config = Path("plimsoll.toml")
) -> None:
    """Let a rollout that is held go on with the step that it is at, from that step's beginning."""
    _leave(deployment, "resume", reason, config)


@app.command()
def rollback(
    deployment: Deployment,
    *,
    reason: Reason,
    to: Annotated[
        int | None, typer.Option(help="A version that was good; without it, the last one.")
    ] = None,
    config: Config = Path("plimsoll.toml"),
) -> None:
    """Send every host back to the last known good version, and quarantine what Git asks for."""
    _ask(deployment, "rollback", reason, config, to)


@app.command()
def retry(
    deployment: Deployment, *, reason: Reason, config: Config = Path("plimsoll.toml")
) -> None:
    """Try a quarantined version again, from the newest commit and with all its tests."""
    _ask(deployment, "retry", reason, config)


@app.command()
def pin(
    deployment: Deployment,
    *,
    version: Annotated[int, typer.Option(help="The version to hold it at.")],
    reason: Reason,
    time: Annotated[str, typer.Option("--for", help="How long: 30m, 4h.")],
    config: Config = Path("plimsoll.toml"),
) -> None:
    """Hold a deployment at a version against Git, until the time is over or Git asks for it."""
    from time import time as now  # noqa: PLC0415  the option has the name

    from reconciler import asking  # noqa: PLC0415  heavy
    from reconciler import config as settings  # noqa: PLC0415  heavy
    from registry.core import strict  # noqa: PLC0415  heavy

    try:
        seconds = strict.duration_seconds(time)
    except ValueError as error:
        raise errors.InvalidInput(f"--for: {error}", fix="write it like 30m or 4h") from error
    found = settings.load(config)
    wish = asking.pin(found, deployment, version, reason=reason, seconds=seconds, now=now())
    _await(found.state, deployment, wish)


@app.command()
def unpin(
    deployment: Deployment, *, reason: Reason, config: Config = Path("plimsoll.toml")
) -> None:
    """Let a deployment go back to what Git asks for, before its pin's time is over."""
    _ask(deployment, "unpin", reason, config)


class By(StrEnum):
    """How Git is told."""

    COMMIT = "commit"
    PULL_REQUEST = "pullRequest"


@model_app.command("promote")
def promote_version(
    reference: Annotated[str, typer.Argument(help="NAME@VERSION.", metavar="REFERENCE")],
    *,
    to: Annotated[str, typer.Option(help="An environment, or a deployment: ENVIRONMENT/NAME.")],
    reason: Reason,
    by: Annotated[By, typer.Option(help="How Git is told.")] = By.PULL_REQUEST,
    config: Config = Path("plimsoll.toml"),
) -> None:
    """Have a deployment's file ask for this version, in Git, once the registry shows that it may;
    ends with 1 where it may not."""
    from reconciler import asking  # noqa: PLC0415  heavy
    from reconciler import config as settings  # noqa: PLC0415  heavy
    from reconciler.core.strategies.progress import Verb  # noqa: PLC0415  heavy

    found = settings.load(config)
    verb = Verb.COMMIT if by is By.COMMIT else Verb.PROPOSE
    deployment, wish = asking.promote(found, reference, to, verb, reason=reason)
    _await(found.state, deployment, wish)


def _ask(deployment: str, verb: str, reason: str, config: Path, version: int | None = None) -> None:
    from reconciler import asking  # noqa: PLC0415  heavy
    from reconciler import config as settings  # noqa: PLC0415  heavy
    from reconciler.core.strategies.progress import Verb  # noqa: PLC0415  heavy

    folder = settings.load(config).state
    wish = asking.leave(folder, deployment, Verb(verb), reason, version=version)
    _await(folder, deployment, wish)


def _await(folder: Path, deployment: str, wish: "Wish") -> None:
    """Wait a little for what becomes of it."""
    from reconciler import asking  # noqa: PLC0415  heavy

    found = asking.answer(folder, deployment, wish, patience_s=_PATIENCE_S)
    if found is None:
        typer.echo("the reconciler has not come to it yet: is it running? see: plimsoll status")
    elif found.refused:
        raise errors.Conflict(f"{deployment}: {found.text}", fix="see: plimsoll status")
    else:
        typer.echo(f"{deployment}: {found.text}")


def _leave(deployment: str, verb: str, reason: str, config: Path) -> None:
    from reconciler import config as settings  # noqa: PLC0415  heavy
    from reconciler import wishes  # noqa: PLC0415  heavy
    from reconciler.core.strategies.progress import Verb  # noqa: PLC0415  heavy

    found = wishes.leave(settings.load(config).state, deployment, Verb(verb), reason)
    typer.echo(
        f"{deployment} was {found.state} at step {found.index + 1}; the reconciler will "
        f"{_WILL[verb]} at its next look: plimsoll status {deployment}"
    )
