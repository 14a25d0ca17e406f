"""Looks at open pull requests and at the followed branch, again and again, on a thread of its own.

Webhooks say when it is time, and polling is there for those that got lost. A forge, a registry or
a remote that is down delays this and nothing else: it is tried again after 1, 2, 4 … seconds.
"""

import threading
import time
from collections.abc import Callable

import structlog

from reconciler.core import review
from reconciler.core.review import Bound
from reconciler.forges import Asked
from reconciler.reviewing.gathering import Gatherer
from reconciler.reviewing.heads import Conflict, Heads, Sides
from reconciler.reviewing.memory import Memory, Told
from reconciler.reviewing.merging import Merging
from reconciler.reviewing.telling import Telling
from registry import errors

# The log grows all the time: what it knows of versions is asked again as often as this.
_AGAIN_S, _DOUBT_S = 60.0, 10.0
_AT_ONCE = 50
_LONGEST_S = 60.0

log = structlog.get_logger()


class Rounds:
    """One forge; `round` may be called without the thread."""

    def __init__(  # noqa: PLR0913  each is a part of it
        self,
        *,
        heads: Heads,
        sides: Sides,
        gatherer: Gatherer,
        telling: Telling,
        merging: Merging,
        poll_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._heads = heads
        self._sides = sides
        self._gatherer = gatherer
        self._telling = telling
        self._merging = merging
        self._poll_s = poll_s
        self._clock = clock
        self._wake = threading.Event()
        self._over = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="reviews", daemon=True)

    @property
    def memory(self) -> Memory:
        """What was told."""
        return self._telling.memory

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hint(self) -> None:
        """Something may have been pushed or opened: look now."""
        self._wake.set()

    def close(self) -> None:
        """Stop; a round under way is not waited for."""
        self._over.set()
        self._wake.set()

    def _run(self) -> None:
        while not self._over.is_set():
            self._wake.clear()
            self._wake.wait(self._turn())

    def _turn(self) -> float:
        """One round; returns for how many seconds to rest. Whatever fails is tried again."""
        try:
            self.round()
        except errors.PlimsollError as error:
            self._failures += 1
            log.warning("pull requests wait", error=error.detail, fix=error.fix)
            pause = min(2.0 ** (self._failures - 1), _LONGEST_S)
            self._over.wait(pause)  # a webhook is no reason to hurry a forge that is down
            return 0.0
        self._failures = 0
        return self._poll_s

    def round(self) -> None:
        """Tell of all that is new; raises what kept it from some of it, after all the rest."""
        base = self._heads.fetch()
        trouble: list[errors.PlimsollError] = []
        try:
            self._merging.round(base)
        except errors.PlimsollError as error:
            trouble.append(error)
        asked = self._telling.forge.asked()
        self.memory.keep([one.number for one in asked])
        size = self._gatherer.log_size()
        due = [one for one in asked if self._is_due(self.memory.told(one.number), one, base, size)]
        for one in due[:_AT_ONCE]:
            try:
                self._look(one, base)
            except errors.PlimsollError as error:
                trouble.append(error)
        if trouble:
            raise trouble[0]

    def _is_due(self, told: Told | None, asked: Asked, base: str, size: int | None) -> bool:
        if told is None or (told.head, told.base) != (asked.head, base):
            return True
        waited = self._clock() - told.at
        if waited < 0:  # the clock was set back, and nothing was told later than now
            return True
        if not told.is_sure:
            return waited >= _DOUBT_S
        return size is not None and size != told.log_size and waited >= _AGAIN_S

    def _look(self, asked: Asked, base: str) -> None:
        """A plan that is stale before anybody sees it is refused, and made anew in a moment."""
        told = self.memory.told(asked.number)
        if told is not None and (told.head, told.base) != (asked.head, base):
            self._telling.planning(asked)
        head = self._heads.bring(asked.ref)
        if head != asked.head:
            raise errors.Conflict(f"request {asked.number} has moved while it was looked at")
        found = self._review(head, base)
        branch = f"refs/heads/{self._heads.branch}"
        tips = self._heads.tips([branch, asked.ref])
        now = Bound(tips.get(asked.ref, ""), tips.get(branch, ""), found.bound.log_size)
        found.bound.require_current(now)
        self._telling.tell(asked, found, now=self._clock())
        log.info("pull request planned", number=asked.number, verdict=found.verdict.value)

    def _review(self, head: str, base: str) -> review.Review:
        merged = self._heads.merged(base, head)
        if isinstance(merged, Conflict):
            bound = Bound(head, base, self._gatherer.log_size())
            return review.Review(bound, conflicts=merged.paths or ("(unnamed)",))
        before = self._sides.at(self._heads.commit(base).tree, base)
        return self._gatherer.review(before, self._sides.at(merged, head), head=head, base=base)
