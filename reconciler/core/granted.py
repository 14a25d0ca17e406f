"""What is remembered once a person's wish was granted, or came to nothing. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.core import actions, changes, goods, hookruns, outcomes
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Why
from reconciler.core.rollout import (
    Answer,
    HostRollout,
    PreflightResult,
    Quarantined,
    Rollout,
    Verdict,
)

QUARANTINES_KEPT = 50


def after(  # noqa: PLR0911  an arm a change
    known: Rollout, action: actions.Grant, outcome: outcomes.Outcome, now: float
) -> Rollout:
    """Once: nothing changes where another wish has taken its place. A failed one is tried again.

    `Preflighted` is what the registry says of the version that hosts would go back to; `Done`
    that it did not answer: where the version served before, what was decided then stands.
    """
    wish = action.wish
    if isinstance(action.change, changes.LetGo):
        return _let_go(known, action, action.change.pin)
    if known.wish is None or known.wish.id != wish.id or isinstance(outcome, outcomes.Failed):
        return known
    met = replace(known, wish=None, granted=wish.id)
    if isinstance(outcome, outcomes.Preflighted) and outcome.verdict is not Verdict.PASSED:
        text = f"changes nothing: {'; '.join(outcome.reasons)}"
        return replace(met, answer=Answer(wish.id, refused=True, text=text))
    refused = isinstance(action.change, changes.Decline)
    met = replace(met, answer=Answer(wish.id, refused, action.reason.text))
    match action.change:
        case changes.GoBack():
            return _gone_back(met, action, action.change, (outcome, now))
        case changes.TryAgain(revision):
            return _tried_again(met, revision)
        case changes.Hold(pin):
            return replace(met, pin=pin)
        case changes.Decline():
            return met


def _let_go(known: Rollout, action: actions.Grant, pin: str) -> Rollout:
    """Also without a wish: a pin ends by itself."""
    wish, answer = action.wish, Answer(action.wish.id, refused=False, text=action.reason.text)
    if known.wish is not None and known.wish.id == wish.id:
        known = replace(known, wish=None, granted=wish.id)
    if known.pin is None or known.pin.id != pin:
        return known
    return replace(known, pin=None, answer=answer)


def _gone_back(
    known: Rollout,
    action: actions.Grant,
    change: changes.GoBack,
    decided: tuple[outcomes.Outcome, float],
) -> Rollout:
    hosts, strange = dict(known.hosts), []
    for good in change.goods:
        bad, facts = replace(action.spec, host=good.host), known.on(good.host)
        if isinstance(decided[0], outcomes.Done) and not goods.served(facts, good):
            strange.append(good.host)
            continue
        hosts[good.host] = _checked(goods.went_back(facts, good, bad), good, *decided)
    entry = Quarantined(
        revision=change.revision,
        spec=action.spec,
        host="",
        code=Why.ROLLED_BACK_BY_HAND,
        reason=f"rolled back by hand: {action.wish.reason}",
        at=decided[1],
        by=action.wish.by,
        entry=outcomes.entry_of(decided[0]),
    )
    kept = tuple([*_lifted(known, change.revision), entry][-QUARANTINES_KEPT:])
    text = action.reason.text
    if strange:
        text += f"; not on {', '.join(strange)}, where it never served: the registry is silent"
    answer = Answer(action.wish.id, refused=False, text=text)
    told = hookruns.over(known.hooks)
    return replace(known, hosts=hosts, quarantined=kept, progress=None, answer=answer, hooks=told)


def _checked(
    facts: HostRollout, good: InstanceSpec, outcome: outcomes.Outcome, now: float
) -> HostRollout:
    if not isinstance(outcome, outcomes.Preflighted):
        return facts
    result = PreflightResult(good.spec_hash, outcome.policies, outcome.verdict, (), now)
    return replace(facts, preflight=result)


def _tried_again(known: Rollout, revision: str) -> Rollout:
    """As if it had never been tried: no test and no restart of then counts."""
    hosts = {
        host: HostRollout(last_good=facts.last_good, earlier=facts.earlier)
        for host, facts in known.hosts.items()
    }
    kept = tuple(_lifted(known, revision))
    told = hookruns.over(known.hooks)
    return replace(known, hosts=hosts, quarantined=kept, progress=None, hooks=told)


def _lifted(known: Rollout, revision: str) -> Iterator[Quarantined]:
    """The other entries, and those of `revision` whose pull request must still be closed."""
    for entry in known.quarantined:
        if entry.revision != revision:
            yield entry
        elif entry.may_be_open:
            yield replace(entry, lifted=True)
