"""What an audit has found so far, and the files that it takes one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from registry.core import note
from registry.core.audit.archive import Member
from registry.core.audit.documents import Flaw
from registry.errors import BundleInvalid, IntegrityError

_MOST = 100


@dataclass(slots=True)
class Findings:
    """What was read and what is wrong with it. `notices` are no flaws, but worth a look."""

    checkpoint: note.Checkpoint | None = None
    witnesses: tuple[str, ...] = ()
    earlier: list[note.Checkpoint] = field(default_factory=list)
    entries: int = 0
    documents: int = 0
    erased: int = 0
    flaws: list[Flaw] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        """One more flaw; after the first hundred the point is made."""
        if len(self.flaws) < _MOST:
            self.flaws.append(Flaw(where, what))

    @property
    def signed(self) -> note.Checkpoint:
        """The checkpoint; raises BundleInvalid where none verified."""
        if self.checkpoint is None:
            raise BundleInvalid("no checkpoint of this log was found")
        return self.checkpoint


class Source:
    """The members, one of them looked at ahead."""

    def __init__(self, members: Iterator[Member]) -> None:
        self._members = members
        self._next = next(members, None)

    def peek(self) -> Member | None:
        return self._next

    def take(self, name: str) -> bytes:
        """The content of the next member, which must be called so."""
        member = self._next
        if member is None or member.name != name:
            there = "the end" if member is None else member.name
            raise BundleInvalid(f"{name} is missing: {there} stands in its place")
        self._next = next(self._members, None)
        return member.content


def require_sound(found: Findings) -> None:
    """Raise IntegrityError, naming the first flaws."""
    if found.flaws:
        listed = "; ".join(f"{flaw.where}: {flaw.what}" for flaw in found.flaws[:10])
        more = f"; and {len(found.flaws) - 10} more" if len(found.flaws) > 10 else ""
        raise IntegrityError(
            f"{listed}{more}",
            fix="keep what you have as evidence; do not rely on anything in it",
        )
