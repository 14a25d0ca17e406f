"""A deployment that is no longer in Git: what of it must still be ended, what stays known. Pure.

Its pull requests are closed while it is known what they were about; its hosts are forgotten after.
"""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.core import edit, goods
from reconciler.core.actions import Action
from reconciler.core.fleet import Fleet
from reconciler.core.following.acts import Track, Withdraw
from reconciler.core.promotions.acts import Recall
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import NO_ROLLOUT, Rollout


def steps(fleet: Fleet, key: str) -> Iterator[Action]:
    """What its promotion and what it followed have left open on the forge."""
    if not _is_gone(fleet, key):
        return
    known, text = fleet.rollout(key), f"{key} is no longer in Git, as of {fleet.commit[:12]}"
    specs = (one for facts in known.hosts.values() for one in goods.of(facts))
    spec = next(specs, None)
    if spec is None and known.following is not None:  # of no known version: agents serve it
        yield Track(key, None, Reason(Why.FOLLOWING, text))
    if spec is None or not fleet.common.has_forge:
        return
    promoted, followed = known.promotion, known.following
    proposed = None if promoted is None else promoted.proposed
    if promoted is not None and proposed is not None:
        about = edit.respecified(spec, proposed.version, proposed.digest)
        after = promoted.overtaken if proposed is promoted else None
        yield Recall(key, proposed, about, after, Reason(Why.PROMOTION, text))
    if followed is not None and followed.may_be_open:
        yield Withdraw(key, followed, spec, Reason(Why.FOLLOWING, text))


def is_open(fleet: Fleet, key: str) -> bool:
    """Whether its hosts must not be forgotten yet."""
    return any(not isinstance(step, Track) for step in steps(fleet, key))


def remains(known: Rollout) -> Rollout:
    """What stays known without any host: that its quarantine holds, should it come again."""
    return replace(NO_ROLLOUT, quarantined=known.quarantined)


def _is_gone(fleet: Fleet, key: str) -> bool:
    if fleet.deployment(key) is not None or fleet.held(key) or fleet.is_elsewhere(key):
        return False
    is_mistake = fleet.common.is_empty and not fleet.common.allow_empty
    return fleet.common.proposes and not is_mistake and fleet.common.doubts.may_prune(key)
