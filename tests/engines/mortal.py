"""A reconciler that is killed at each effect and started again: python -m tests.engines.mortal
CONFIG DEATHS.

Each life is a process of its own, that ends by SIGKILL before or after the first effect that none
before it has died of; the file DEATHS says of which ones they did. Of what changes a host it dies
within, once the engine has done it and before anybody knows. Of a note, which changes nothing but
memory, it dies only between the note and its being on disk.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import cast

from reconciler import config, effects, service
from reconciler.core import actions, desired, outcomes
from reconciler.engines.protocol import Engine

DEATHS = threading.Lock()
_CHANGES = frozenset({"start", "route", "unroute", "remove"})


def die(of: str, deaths: Path) -> None:
    """At once, unless one before has died of the same."""
    with DEATHS:
        if of not in deaths.read_text().splitlines():
            with deaths.open("a") as file:
                file.write(f"{of}\n")
                file.flush()
                os.fsync(file.fileno())
            os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    """An engine: who has changed something by it dies before it hears that it has."""

    def __init__(self, engine: Engine, end: Callable[[], None]) -> None:
        self._engine = engine
        self._end = end

    def __getattr__(self, name: str) -> object:
        asked = getattr(self._engine, name)
        if name not in _CHANGES:
            return asked

        def last(*arguments: object) -> None:
            asked(*arguments)
            self._end()

        return last


class Mortal(effects.Effects):
    """Effects that end the life of whoever brings them about."""

    __slots__ = ()
    deaths = Path()

    def perform(
        self,
        action: actions.Action,
        state: desired.DesiredState,
        engines: Mapping[str, Engine],
    ) -> outcomes.Outcome:
        name = f"{action.verb} {_which(action)}".rstrip()
        if not isinstance(action, actions.Note):
            die(f"before {name}", self.deaths)
        dying = {
            host: cast("Engine", Dying(one, lambda: die(f"within {name}", self.deaths)))
            for host, one in engines.items()
        }
        outcome = super().perform(action, state, dying)
        die(f"after {name}", self.deaths)
        return outcome


def _which(action: actions.Action) -> str:
    match action:
        case actions.Proceed(after=after) if after is not None:
            return f"{after.index} {after.state}"
        case actions.Shift(share=share):
            return "nothing" if share is None else f"{share.weight}"
        case _:
            return ""


def live(path: Path) -> None:
    """One life."""
    with service.assembled(config.load(path)) as (loop, _):
        known = {one.name: getattr(loop.effects, one.name) for one in fields(effects.Effects)}
        loop.effects = Mortal(**known)
        loop.run(threading.Event())


def main(path: Path, deaths: Path) -> None:
    Mortal.deaths = deaths
    while True:
        child = os.fork()
        if not child:
            live(path)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            sys.exit(f"it was not killed: {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
