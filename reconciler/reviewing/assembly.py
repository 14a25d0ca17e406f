"""Puts the reviews of one reconciler together, from its settings and how it judges versions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from reconciler import config, forges, gate, judging, repo
from reconciler.core import gittrust
from reconciler.reviewing.gathering import Gatherer
from reconciler.reviewing.heads import Heads, Sides
from reconciler.reviewing.memory import Memory
from reconciler.reviewing.merging import Merging
from reconciler.reviewing.rounds import Rounds
from reconciler.reviewing.telling import Telling

Examine: TypeAlias = Callable[[repo.Repository], gate.Examiner]


def rounds(settings: config.Config, judge: judging.Judge, examine: Examine) -> Rounds | None:
    """The reviews, not begun yet; None where no forge is configured, or another reviews there."""
    forge = settings.forge
    if forge is None or not forge.reviews or settings.agent is not None:
        return None
    heads = Heads(
        settings.repository,
        branch=settings.branch,
        folder=settings.state / "reviews.git",
        author=settings.author,
    )
    examiner = examine(heads)

    def signed(commit: str) -> gittrust.Provenance:
        found = examiner.signed(commit, None)
        return found.provenance if isinstance(found, gittrust.Accepted) else gittrust.UNSIGNED

    sides, memory = Sides(heads), Memory(settings.state)
    connected = forges.connect(forge, settings.branch)
    return Rounds(
        heads=heads,
        sides=sides,
        gatherer=Gatherer(judge.registry, judge.trust, judge.rollouts, judge.clock, signed),
        telling=Telling(connected, memory, forge.plans),
        merging=Merging(heads, sides, memory, connected, judge.registry),
        poll_s=settings.poll_s,
        clock=judge.clock,
    )


@contextmanager
def beside(
    settings: config.Config, judge: judging.Judge, examine: Examine
) -> Iterator[Rounds | None]:
    """The reviews, under way on a thread of their own."""
    found = rounds(settings, judge, examine)
    if found is None:
        yield None
        return
    found.start()
    try:
        yield found
    finally:
        found.close()
