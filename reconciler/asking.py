"""What a person wants of a deployment that needs no rollout under way, and what becomes of it.

Whoever asks hears at once of what cannot be; the planner, who knows Git too, has the last word,
and its answer is read from the reconciler's memory.
"""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from reconciler import client, config, state, wishes
from reconciler.core import goods
from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import NO_ROLLOUT, Answer, Rollout
from reconciler.core.strategies.progress import Verb, Wish
from registry import errors
from registry.core import digest as digests
from registry.core import fields, names
from registry.core.envelope import Wanted

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


def pin(
    settings: config.Config, deployment: str, version: int, *, reason: str, seconds: int, now: float
) -> Wish:
    """Ask to hold a deployment at a version for so long; its digest is the registry's word, or
    what is remembered where the registry does not answer."""
    wishes.require_reason(settings.state, reason)
    longest = settings.pin_hours * 3600
    if not 0 < seconds <= longest:
        raise errors.InvalidInput(
            f"a pin holds for at most {settings.pin_hours:g} hours", fix="change Git meanwhile"
        )
    known = state.peek(settings.state).get(deployment, NO_ROLLOUT)
    specs = [one for facts in known.hosts.values() for one in goods.of(facts)]
    specs += [one.candidate.spec for one in known.hosts.values() if one.candidate is not None]
    if not specs:
        raise errors.NotFound(
            f"nothing was ever deployed as {deployment[:80]} by this reconciler",
            fix="write ENVIRONMENT/NAME, as plimsoll status does",
        )
    digest = _digest(settings, specs, version)
    wish = wishes.made(Verb.PIN, reason, version=version)
    wish = replace(wish, digest=digest, until=now + seconds)
    wishes.put(settings.state, deployment, wish)
    return wish


def _digest(settings: config.Config, specs: list[InstanceSpec], version: int) -> str:
    model, wanted = specs[0].model, names.version(version)
    registry = client.Registry(settings.registry, settings.token_file, settings.registry_ca)
    try:
        with closing(registry):
            document = registry.version(Wanted(model, wanted, ""))
    except errors.Unavailable:
        for spec in specs:
            if (spec.model, spec.version) == (model, wanted):
                return spec.digest
        raise
    return digests.parse(fields.text(document, "digest", what="version document"))


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
