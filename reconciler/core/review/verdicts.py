"""A plan for a pull request as a whole: its verdict, and what it is bound to. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.review.changing import FileChange
from reconciler.core.review.facts import Doubt, Refused
from reconciler.core.review.rows import Row
from registry.core.documents import Problem
from registry.core.policy import Area
from registry.errors import Conflict


class Verdict(StrEnum):
    """In the order of how bad it is; the worst one counts."""

    CONFLICTING = "conflicting"
    INVALID = "invalid"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    ALLOWED = "allowed"
    NO_CHANGES = "no changes"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a plan is made from: two commits, and how many entries the registry's log had.

    `log_size` is None where the registry did not answer, or was not asked.
    """

    head: str
    base: str
    log_size: int | None = None

    def require_current(self, now: "Bound") -> None:
        """Raises `Conflict` where what the plan was made from is not what there is `now`."""
        for name, mine, others in (
            ("pull request's head", self.head, now.head),
            ("branch", self.base, now.base),
        ):
            if mine != others:
                raise Conflict(
                    f"the plan is stale: the {name} is at {others[:12]}, planned was {mine[:12]}",
                    fix="plan anew",
                )
        if self.log_size != now.log_size:
            raise Conflict(
                f"the plan is stale: the registry's log has {now.log_size} entries, planned was "
                f"at {self.log_size}",
                fix="plan anew",
            )


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A file that stays as it is once the request is merged: who signed may not change it.

    `why` says whose commit it is, and who may.
    """

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Review:
    """What merging would do. `conflicts` are files that cannot be merged, `problems` those that
    are wrong now and were not before, `older` those that were; `files` are all that differ.
    `affected` is what stays as it is, and would be refused by policies that change. `held` are
    changes that authors of projects would have to make themselves."""

    bound: Bound
    rows: tuple[Row, ...] = ()
    files: tuple[FileChange, ...] = ()
    problems: tuple[Problem, ...] = ()
    older: tuple[Problem, ...] = ()
    conflicts: tuple[str, ...] = ()
    affected: tuple[str, ...] = ()
    held: tuple[HeldBack, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst that is true of it."""
        if self.conflicts:
            return Verdict.CONFLICTING
        if self.problems:
            return Verdict.INVALID
        if any(row.refusals for row in self.rows):
            return Verdict.REFUSED
        if self.doubts:
            return Verdict.UNKNOWN
        return Verdict.ALLOWED if self.rows or self.files else Verdict.NO_CHANGES

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why there is no verdict on some rows, each reason once."""
        said = (row.fact.reason for row in self.rows if isinstance(row.fact, Doubt))
        return tuple(dict.fromkeys(said))

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts on which something happens."""
        return tuple(sorted({host for row in self.rows for host in row.hosts}))

    @property
    def holds(self) -> tuple[str, ...]:
        """What planning's policies would hold back if it were merged this minute."""
        return tuple(
            f"{row.deployment}: {reason}"
            for row in self.rows
            for judged in row.policies
            if judged.area is Area.PLAN
            for reason in judged.reasons
        )

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        count, hosts = _count(len(self.rows), "deployment"), _count(len(self.hosts), "host")
        match self.verdict:
            case Verdict.CONFLICTING:
                return f"cannot be merged: {_count(len(self.conflicts), 'file')} in conflict"
            case Verdict.INVALID:
                return f"invalid: {_count(len(self.problems), 'problem')} in the files"
            case Verdict.REFUSED:
                refused = sum(1 for row in self.rows if row.refusals)
                unverified = any(isinstance(row.fact, Refused) for row in self.rows)
                by = "verification" if unverified else "policy"
                return f"refused by {by}: {refused} of {count}"
            case Verdict.UNKNOWN:
                return f"no verdict yet: {self.doubts[0]}"
            case Verdict.ALLOWED:
                held = _count(len(self.held), "file")
                more = f"; {held} held back" if self.held else ""
                return f"allowed: {count}, {hosts} touched{more}"
            case Verdict.NO_CHANGES:
                return "no changes: hosts are asked for what they are asked for already"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
