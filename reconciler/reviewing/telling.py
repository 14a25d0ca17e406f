"""Tells a forge of a review: one comment, three statuses, and a link to the whole.

A review that says what was said already is not told again, though the log has grown meanwhile.
"""

import hashlib
from dataclasses import dataclass, replace

from reconciler import forges
from reconciler.core import review
from reconciler.core.review import documents, markdown, marks
from reconciler.forges import Asked
from reconciler.reviewing.memory import Memory, Told

_WHOLE = 8 << 20


@dataclass(frozen=True, slots=True)
class Telling:
    """`plans_at` is the address under which people find whole plans; empty without one."""

    forge: forges.Forge
    memory: Memory
    plans_at: str

    def planning(self, asked: Asked) -> None:
        """What was planned for another head or branch counts no longer."""
        self.forge.mark(asked.head, marks.planning())

    def tell(self, asked: Asked, found: review.Review, *, now: float) -> None:
        """Each step is safe to repeat, and it is remembered once all are done."""
        before, name = self.memory.told(asked.number), self.memory.name(asked.number)
        said = _digest(found)
        self.memory.save_plan(name, markdown.render(found, limit=_WHOLE))
        is_same = before is not None and (before.head, before.base, before.said) == (
            found.bound.head,
            found.bound.base,
            said,
        )
        if not is_same:
            link = f"{self.plans_at.rstrip('/')}/{name}" if self.plans_at else ""
            text = markdown.render(found, limit=self.forge.comment_limit, link=link)
            forges.keep(self.forge, asked.number, markdown.MARKER, text)
            for status in marks.of(found, link=link):
                self.forge.mark(asked.head, status)
        told = Told(
            head=found.bound.head,
            base=found.bound.base,
            log_size=found.bound.log_size or 0,
            at=now,
            said=said,
            is_sure=found.verdict is not review.Verdict.UNKNOWN,
            plan=name,
        )
        self.memory.tell(asked.number, told)


def _digest(found: review.Review) -> str:
    """Of all but how far the log is."""
    alone = replace(found, bound=replace(found.bound, log_size=None))
    return hashlib.sha256(documents.encode(alone)).hexdigest()
