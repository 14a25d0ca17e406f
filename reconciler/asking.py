"""What a person wants of a deployment that needs no rollout under way, and what becomes of it.

Whoever asks hears at once of what cannot be; the planner, who knows Git too, has the last word,
and its answer is read from the reconciler's memory.
"""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from reconciler import client, config, service, state, wishes
from reconciler.core import desired, goods, pinning
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


def promote(
    settings: config.Config, reference: str, to: str, verb: Verb, *, reason: str
) -> tuple[str, Wish]:
    """Ask to bring NAME@VERSION into the file of a deployment, `to` an environment or ENV/NAME;
    returns which one that is, and the wish. Its digest is the registry's word."""
    wishes.require_reason(settings.state, reason)
    model, version = _named(reference)
    deployment = _deployment(settings, model, to)
    known = state.peek(settings.state).get(deployment.key)
    if known is None:
        raise errors.NotFound(
            f"nothing was ever deployed as {deployment.key} by this reconciler",
            fix="write version and digest into its file for the first time",
        )
    registry = client.Registry(settings.registry, settings.token_file, settings.registry_ca)
    with closing(registry):
        document = registry.version(Wanted(model, version, ""))
    digest = goods.in_format(document, deployment.manifest.spec.runtime.format)
    wish = replace(wishes.made(verb, reason, version=version), digest=digest)
    wishes.put(settings.state, deployment.key, wish)
    return deployment.key, wish


def _named(reference: str) -> tuple[str, int]:
    model, at, number = reference.partition("@")
    if not at or not number.isdecimal():
        raise errors.InvalidName(
            f"{reference[:80]!r} names no version", fix="write NAME@VERSION, such as fraud@8"
        )
    return names.slug(model), names.version(int(number))


def _deployment(settings: config.Config, model: str, to: str) -> desired.Deployment:
    """The one that serves the model there, in the commit that is in force."""
    found = service.in_force(settings).deployments
    there = [
        pinning.of_git(one)
        for key, one in sorted(found.items())
        if to in (key, one.manifest.metadata.environment) and one.manifest.spec.model.name == model
    ]
    if len(there) == 1:
        return there[0]
    if not there:
        raise errors.NotFound(
            f"no deployment in {to[:80]} serves {model}",
            fix="name an environment under models.d/, or ENVIRONMENT/NAME",
        )
    listed = ", ".join(one.key for one in there)
    raise errors.InvalidInput(f"{model} is served as {listed}", fix="name one of them with --to")


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
