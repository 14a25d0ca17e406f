"""What is known of the versions in a review, and how policies judge them: asked now, kept briefly.

Nothing is written: a review is no decision, and the log has none of it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reconciler import client, judging
from reconciler.core import holding, review
from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.edit import Pin
from reconciler.core.gittrust import UNSIGNED, Provenance
from reconciler.core.review import Bound, Doubt, Judged, Refused, Side, changing, facts, judged
from reconciler.core.rollout import NO_ROLLOUT, Rollout, Rollouts
from registry import errors
from registry.core import envelope, note, policy, trustchain
from registry.core.canonical import Json
from registry.core.envelope import Verified, Wanted
from registry.core.policy import Area
from registry.core.trustroot import TrustRoot

_TOGETHER = 8
# Of those that do not change, at most so many are judged by new policies.
_OTHERS = 200


@dataclass(frozen=True, slots=True)
class Found:
    """What verifies of a version, with what policies are asked about."""

    fact: facts.Fact
    document: dict[str, Json] = field(default_factory=dict)
    verified: Verified | None = None


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Asks one registry, and believes only what verifies. `signed` says who signed a commit, and
    `held` which of some files would stay as they are, and why, if `head` came onto `base`."""

    registry: client.Registry
    trust: Callable[[], TrustRoot]
    rollouts: Callable[[], Rollouts]
    clock: Callable[[], float] = time.time
    signed: Callable[[str], Provenance] = lambda _: UNSIGNED
    held: Callable[[str, str, Collection[str]], Mapping[str, str]] = lambda *_: {}

    def log_size(self) -> int | None:
        """How many entries the registry's log has; None where nobody says so under its key."""
        try:
            return note.verify_checkpoint(self.registry.checkpoint(), self.trust().log).size
        except errors.PlimsollError:
            return None

    def review(self, before: Side, after: Side, *, head: str, base: str) -> review.Review:
        """What turning `before` into `after` would do, as of now."""
        size = self.log_size()
        changes = changing.changes(before.state, after.state)
        found = self._ask(review.wanted(changes))
        rollouts, signed = self.rollouts(), self.signed(head)
        decisions = {
            change.key: tuple(
                self._judged(
                    change.after,
                    replace(after.state, provenance=signed),
                    rollouts.get(change.key, NO_ROLLOUT),
                    found[_pin(change.after)],
                )
            )
            for change in changes
            if change.after is not None
        }
        files = [one.path for one in changing.files(before.files, after.files)]
        learned = {pin: one.fact for pin, one in found.items()}
        known = review.Known(learned, decisions, rollouts, self.held(head, base, files))
        made = review.make(before, after, known, bound=Bound(head, base, size))
        stay = [one for one in after.state.deployments.values() if one.key not in decisions]
        return replace(made, affected=tuple(self._affected(before.state, after.state, stay)))

    def _affected(
        self, before: DesiredState, after: DesiredState, stay: list[Deployment]
    ) -> Iterator[str]:
        """What does not change, and new policies would refuse where the old ones did not."""
        if before.policies.digest == after.policies.digest:
            return
        some = sorted(stay, key=lambda one: one.key)[:_OTHERS]
        found, rollouts = self._ask(dict.fromkeys(map(_pin, some))), self.rollouts()
        for one in some:
            seen = found[_pin(one)]
            if seen.verified is None:
                continue
            known = rollouts.get(one.key, NO_ROLLOUT)
            asked = judging.request(
                one, known, seen.document, seen.verified, signed=before.provenance
            )
            was, now = (policy.decide(side.policies, asked) for side in (before, after))
            if isinstance(now, policy.Denied) and isinstance(was, policy.Allowed):
                yield f"{one.key}: {now.reasons[0]}"

    def _ask(self, pins: Iterable[Pin]) -> dict[Pin, Found]:
        listed = list(pins)
        with ThreadPoolExecutor(_TOGETHER, thread_name_prefix="facts") as workers:
            return dict(zip(listed, workers.map(self._find, listed), strict=True))

    def _find(self, pin: Pin) -> Found:
        wanted = Wanted(pin.model, pin.version, pin.digest)
        name = f"{pin.model}@{pin.version}"
        try:
            document = self.registry.version(wanted)
            sent = self.registry.envelope(wanted)
            trust = self.trust()
            now = self.clock()
            trustchain.require_current(trust, datetime.fromtimestamp(now, UTC))
        except errors.NotFound as error:
            return Found(Refused(pin, error.code, f"{name} is not in the registry: {error.detail}"))
        except errors.IntegrityError as error:
            return Found(Refused(pin, error.code, error.detail))
        except errors.PlimsollError as error:
            return Found(Doubt(pin, error.detail))
        verified = envelope.verify(sent, trust, wanted, now=now)
        if isinstance(verified, envelope.Refused):
            return Found(Refused(pin, verified.code, verified.reason))
        return Found(facts.version(pin, document, verified), document, verified)

    def _judged(
        self, deployment: Deployment, state: DesiredState, known: Rollout, found: Found
    ) -> Iterator[Judged]:
        asked = holding.request(deployment, known, self.clock())
        yield judged.judge(state.policies, asked)
        if found.verified is None:
            return
        wanted = deployment.manifest.spec.runtime.format
        if found.verified.format != wanted:
            model = deployment.manifest.spec.model
            said = f"{model.name}@{model.version} is {found.verified.format}, asked for is {wanted}"
            yield Judged(Area.DEPLOY, (said,), (), (), ())
            return
        request = judging.request(
            deployment, known, found.document, found.verified, signed=state.provenance
        )
        yield judged.judge(state.policies, request)


def _pin(deployment: Deployment) -> Pin:
    model = deployment.manifest.spec.model
    return Pin(model.name, model.version, model.digest)
