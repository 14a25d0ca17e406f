"""`plimsoll logs`: what the runtimes of a deployment write, straight from their hosts' engines.

Run where the reconciler runs: it has the engines' credentials, and the registry never sees these
lines. A host that looks after itself is asked there.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors

if TYPE_CHECKING:
    from reconciler import config
    from reconciler.engines.protocol import Engine

_LOOK_S = 1.0
_MOST = 5000
# Who follows looks at so many of the last lines each time.
_WINDOW = 500


@dataclass(slots=True)
class _Followed:
    """One host of it, and per instance the last lines that were shown."""

    host: str
    engine: "Engine"
    seen: dict[str, list[str]] = field(default_factory=dict)
    trouble: str = ""


def logs(
    deployment: Annotated[str, typer.Argument(help="As ENVIRONMENT/NAME.")],
    *,
    host: Annotated[
        list[str] | None, typer.Option(help="Only of this host; may be repeated.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing, until Ctrl-C.")
    ] = False,
    tail: Annotated[
        int, typer.Option(min=1, max=_MOST, help="How many of the last lines of each instance.")
    ] = 50,
    config: Annotated[Path, typer.Option(help="The configuration file.")] = Path("plimsoll.toml"),
) -> None:
    """What a deployment's runtimes write, without secrets; run this where the reconciler runs."""
    from reconciler import config as configuration  # noqa: PLC0415  heavy

    settings = configuration.load(config)
    with ExitStack() as stack:
        followed = [
            _Followed(name, stack.enter_context(closing(engine)))
            for name, engine in _engines(settings, deployment, host or [])
        ]
        for one in followed:
            _show(one, deployment, tail)
        failed = [one for one in followed if one.trouble]
        while follow:
            time.sleep(_LOOK_S)
            for one in followed:
                _show(one, deployment, _WINDOW)
    if failed:
        raise errors.EngineUnreachable(
            f"no log of {', '.join(one.host for one in failed)}", fix="see the lines above"
        )


def _engines(
    settings: "config.Config", deployment: str, only: list[str]
) -> "Iterator[tuple[str, Engine]]":
    """Of the hosts that Git asks for, or on which the reconciler remembers the deployment."""
    from reconciler import connecting, service, state  # noqa: PLC0415  heavy
    from reconciler.core.rollout import NO_ROLLOUT  # noqa: PLC0415  heavy

    wanted = service.in_force(settings)
    asked = wanted.deployments.get(deployment)
    known = state.peek(settings.state).get(deployment, NO_ROLLOUT)
    names = sorted({*(asked.hosts if asked else ()), *known.hosts})
    elsewhere = set(wanted.remote.get(deployment, ()))
    if not names and not elsewhere:
        raise errors.NotFound(
            f"nothing is deployed as {deployment[:80]}", fix="see: plimsoll status"
        )
    for name in only or [one for one in names if one not in elsewhere]:
        if name not in names or name not in wanted.hosts:
            own = name in elsewhere
            raise errors.NotFound(
                f"{deployment} has no host {name[:80]} that this reconciler looks after",
                fix="it looks after itself: read the log there, with docker logs"
                if own
                else f"one of {', '.join(names)}",
            )
    connect = connecting.to_hosts(settings)
    for name in only or [one for one in names if one in wanted.hosts and one not in elsewhere]:
        yield name, connect(name, wanted.hosts[name])


def _show(one: _Followed, deployment: str, lines: int) -> None:
    """Print what is new; a host that does not answer is told once, and tried again."""
    from reconciler.core import tailing  # noqa: PLC0415  with the rest

    try:
        found = [
            (instance, one.engine.logs(instance.name, lines=lines).splitlines()[-lines:])
            for instance in one.engine.observe().instances
            if instance.deployment == deployment
        ]
    except errors.PlimsollError as error:
        if error.detail != one.trouble:
            typer.echo(f"{one.host}: {tailing.shown(error.detail)}", err=True)
        one.trouble = error.detail
        return
    one.trouble = ""
    for instance, now in found:
        new = tailing.news(one.seen.get(instance.name, []), now)
        if new.is_gap:
            typer.echo(f"{one.host}: lines are missing here: it writes too quickly", err=True)
        one.seen[instance.name] = now
        for line in tailing.hidden(new.lines):
            typer.echo(f"{one.host} {instance.model}@{instance.version} | {line}")
