"""What a person wants of a deployment that needs no rollout under way, and what becomes of it.

Whoever asks hears at once of what cannot be; the planner, who knows Git too, has the last word,
and its answer is read from the reconciler's memory.
"""

import time
from pathlib import Path

from reconciler import state, wishes
from reconciler.core import goods
from reconciler.core.rollout import NO_ROLLOUT, Answer, Rollout
from reconciler.core.strategies.progress import Verb, Wish
from registry import errors

_LOOK_S = 0.1


def leave(
    folder: Path, deployment: str, verb: Verb, reason: str, *, version: int | None = None
) -> Wish:
    """Ask the reconciler that owns `folder`; the newest wish for a deployment stands."""
    wishes.require_reason(folder, reason)
    known = state.peek(folder).get(deployment)
    if known is None:
        raise errors.NotFound(
            f"nothing was ever deployed as {deployment[:80]} by this reconciler",
            fix="write ENVIRONMENT/NAME, as plimsoll status does",
        )
    if verb is Verb.ROLLBACK:
        _require_good(deployment, known, version)
    wish = wishes.made(verb, reason, version=version)
    wishes.put(folder, deployment, wish)
    return wish


def answer(folder: Path, deployment: str, wish: Wish, *, patience_s: float) -> Answer | None:
    """What became of `wish`; None where the reconciler has not come to it within `patience_s`."""
    until = time.monotonic() + patience_s
    while True:
        found = state.peek(folder).get(deployment, NO_ROLLOUT).answer
        if found is not None and found.wish == wish.id:
            return found
        if time.monotonic() >= until:
            return None
        time.sleep(_LOOK_S)


def _require_good(deployment: str, known: Rollout, version: int | None) -> None:
    good = goods.versions(known)
    if not good:
        raise errors.NotFound(
            f"no version of {deployment} was ever found good: there is nothing to go back to",
            fix="change Git, or take its file out of Git",
        )
    if version is not None and version not in good:
        listed = ", ".join(map(str, good))
        raise errors.NotFound(
            f"version {version} of {deployment} was never found good here; known good: {listed}",
            fix="name one of those, or ask for it in Git",
        )
