"""Which versions were found good on a host, newest first, and the one to go back to. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import HostRollout, Rollout
from reconciler.core.seat import same
from registry import errors
from registry.core import digest as digests
from registry.core import fields
from registry.core.canonical import Json

_KEPT = 10


def settled(facts: HostRollout, spec: InstanceSpec) -> HostRollout:
    """What is remembered once `spec` is good: what was good before it, and no rollout."""
    before = [one for one in of(facts) if not same(one, spec)]
    return HostRollout(preflight=facts.preflight, last_good=spec, earlier=tuple(before[:_KEPT]))


def of(facts: HostRollout) -> tuple[InstanceSpec, ...]:
    """All that was good on a host, newest first."""
    return facts.earlier if facts.last_good is None else (facts.last_good, *facts.earlier)


def served(facts: HostRollout, spec: InstanceSpec) -> bool:
    """Whether `spec` was ever good on that host, and is still remembered."""
    return any(same(one, spec) for one in of(facts))


def versions(known: Rollout) -> list[int]:
    """All that were ever good anywhere and are still remembered, newest first."""
    found = [one for facts in known.hosts.values() for one in of(facts)]
    return sorted({one.version for one in found}, reverse=True)


def before(
    known: Rollout, hosts: Iterable[str], bad: InstanceSpec, version: int | None
) -> tuple[InstanceSpec, ...]:
    """What each of `hosts` goes back to from `bad`, to `version` if one is named.

    Its own newest, or what was good on another host where it has none; empty where nothing was
    good anywhere.
    """
    anywhere = [one for facts in known.hosts.values() for one in of(facts)]
    found = []
    for host in hosts:
        own = _usable(of(known.on(host)), host, bad, version)
        good = next(own, None) or next(_usable(anywhere, host, bad, version), None)
        if good is None:
            return ()
        found.append(good)
    return tuple(found)


def _usable(
    specs: Iterable[InstanceSpec], host: str, bad: InstanceSpec, version: int | None
) -> Iterator[InstanceSpec]:
    for spec in specs:
        here = replace(spec, host=host)
        if version in (None, spec.version) and not same(here, replace(bad, host=host)):
            yield here


def went_back(facts: HostRollout, good: InstanceSpec, bad: InstanceSpec) -> HostRollout:
    """`good` is the last known good again; what was newer is still known, but for `bad`."""
    others = [one for one in of(facts) if not same(one, good) and not same(one, bad)]
    candidate = facts.candidate
    if candidate is not None and same(candidate.spec, good):
        candidate = None
    before = tuple(others[:_KEPT])
    return replace(facts, last_good=good, earlier=before, failures=(), candidate=candidate)


def in_format(document: dict[str, Json], wanted: str) -> str:
    """The digest that a version of the registry has in this format; raises NotFound."""
    for variant in fields.objects(document, "variants", what="version document"):
        if variant.get("format") == wanted:
            return digests.parse(fields.text(variant, "digest", what="version document"))
    raise errors.NotFound(
        f"{document.get('model')}@{document.get('version')} is not there as {wanted}",
        fix="add a variant in that format, or name another version",
    )
