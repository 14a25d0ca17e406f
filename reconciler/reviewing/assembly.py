"""Puts the reviews of one reconciler together, from its settings and how it judges versions."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from reconciler import config, forges, gate, judging, repo
from reconciler.core import gittrust
from reconciler.reviewing.gathering import Gatherer
from reconciler.reviewing.heads import Heads, Sides
from reconciler.reviewing.memory import Memory
from reconciler.reviewing.merging import Merging
from reconciler.reviewing.rounds import Rounds
from reconciler.reviewing.telling import Telling
from registry import errors

_MOST_COMMITS = 200

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
        gatherer=Gatherer(
            judge.registry,
            judge.trust,
            judge.rollouts,
            judge.clock,
            signed,
            lambda head, base, files: held(heads, settings.state, examiner, (head, base), files),
        ),
        telling=Telling(connected, memory, forge.plans),
        merging=Merging(heads, sides, memory, connected, judge.registry),
        poll_s=settings.poll_s,
        clock=judge.clock,
    )


def held(
    heads: Heads,
    folder: Path,
    examiner: gate.Examiner,
    ends: tuple[str, str],
    files: Collection[str],
) -> Mapping[str, str]:
    """Which of `files` authors of projects would keep as they are if the first of `ends` came onto
    the second, each with the reason, as of what the reconciler that owns `folder` has in force."""
    head, base = ends
    standing = gate.peek(folder, examiner.origin)
    if standing is None or not heads.descends(base, standing.commit):
        standing = gate.Standing(base, gittrust.UNSIGNED)
    count = heads.brings(head, standing.commit, most=_MOST_COMMITS + 1)
    if count == 0:
        return {}
    if count > _MOST_COMMITS:  # each is a signature to be looked at, and anybody may open a request
        return dict.fromkeys(files, f"more than {_MOST_COMMITS} commits are judged once merged")
    try:
        kept = examiner.kept(head, standing)
    except errors.CommitRefused as error:
        return dict.fromkeys(files, error.detail)
    return {path: one.why for path, one in kept.items() if path in files}


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
