"""From two states, facts and decisions to a `Review`. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.core.desired import Deployment
from reconciler.core.edit import Pin
from reconciler.core.kinds.trials import TensorSchema
from reconciler.core.review import changing
from reconciler.core.review.changing import Change, Effect, Side
from reconciler.core.review.facts import Fact, Version
from reconciler.core.review.judged import Judged
from reconciler.core.review.rows import Delta, Good, Row
from reconciler.core.review.verdicts import Bound, HeldBack, Review
from reconciler.core.rollout import NO_ROLLOUT, Rollouts
from reconciler.core.trials import tensorschema
from registry.core.documents import Problem


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out about the changes: facts by version, decisions by deployment, what the
    reconciler remembers, for the way back, and by path why a change is held back."""

    facts: Mapping[Pin, Fact] = field(default_factory=dict)
    decisions: Mapping[str, tuple[Judged, ...]] = field(default_factory=dict)
    rollouts: Rollouts = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)


def wanted(changes: Iterable[Change]) -> tuple[Pin, ...]:
    """The versions to find out about, each once."""
    pins = (changing.pin(side) for change in changes for side in (change.before, change.after))
    return tuple(dict.fromkeys(pin for pin in pins if pin is not None))


def make(before: Side, after: Side, known: Known, *, bound: Bound) -> Review:
    """The review of what turns `before` into `after`."""
    older = {(one.path, one.message) for one in before.state.problems}
    problems: dict[bool, list[Problem]] = {True: [], False: []}
    for one in after.state.problems:
        problems[(one.path, one.message) in older].append(one)
    held = after.state.held
    return Review(
        bound=bound,
        rows=tuple(
            _row(change, known, tuple(_trouble(change, held.get(change.key, ()), known)))
            for change in changing.changes(before.state, after.state)
        ),
        files=changing.files(before.files, after.files),
        problems=tuple(problems[False]),
        older=tuple(problems[True]),
        held=tuple(HeldBack(path, why) for path, why in sorted(known.held.items())),
    )


def _trouble(change: Change, problems: Iterable[Problem], known: Known) -> Iterator[str]:
    """Why a deployment keeps its last state though its file changes."""
    yield from (one.detail for one in problems)
    if change.path in known.held:
        yield known.held[change.path]


def _row(change: Change, known: Known, trouble: tuple[str, ...]) -> Row:
    before, after = changing.pin(change.before), changing.pin(change.after)
    asked = change.after if change.after is not None else change.before
    fact = None if after is None else known.facts.get(after)
    earlier = None if before is None else known.facts.get(before)
    compared = _compared(earlier, fact) if before != after else None
    return Row(
        deployment=change.key,
        path=change.path,
        effect=change.effect,
        before=before,
        after=after,
        hosts=change.hosts,
        strategy="" if asked is None else asked.manifest.spec.strategy.name,
        acceptance=tuple(one.metadata.name for one in change.after.templates)
        if change.after is not None
        else (),
        memory=(_memory(change.before), _memory(change.after)),
        fields=changing.fields(change),
        fact=fact,
        earlier=earlier,
        metrics=_deltas(earlier, fact, "metrics"),
        metrics_said=_deltas(earlier, fact, "said"),
        breaks=() if compared is None else compared.breaks,
        wider=() if compared is None else compared.wider,
        is_compared=compared is not None,
        policies=known.decisions.get(change.key, ()),
        goods=tuple(_goods(change, known.rollouts)),
        trouble=trouble,
    )


def _memory(deployment: Deployment | None) -> str:
    return "" if deployment is None else deployment.manifest.spec.runtime.resources.memory


def _compared(before: Fact | None, after: Fact | None) -> tensorschema.Compared | None:
    match before, after:
        case Version(signature=one), Version(signature=other) if one and other:
            return tensorschema.compared(
                TensorSchema(),
                {tensorschema.DEFAULT: other},
                serving={tensorschema.DEFAULT: one},
            )
        case _:
            return None


def _deltas(before: Fact | None, after: Fact | None, which: str) -> tuple[Delta, ...]:
    if not isinstance(after, Version):
        return ()
    now: Mapping[str, float] = getattr(after, which)
    was: Mapping[str, float] = getattr(before, which) if isinstance(before, Version) else {}
    return tuple(Delta(name, was.get(name), now.get(name)) for name in sorted({**was, **now}))


def _goods(change: Change, rollouts: Rollouts) -> Iterator[Good]:
    """What served well last on the hosts of it, as the reconciler remembers it."""
    if change.effect is Effect.CONFIGURED:
        return
    known, found = rollouts.get(change.key, NO_ROLLOUT), dict[tuple[int, str], list[str]]()
    for host in change.hosts:
        good = known.on(host).last_good
        if good is not None:
            found.setdefault((good.version, good.digest), []).append(host)
    for (version, digest), hosts in sorted(found.items()):
        yield Good(version, digest, tuple(hosts))
