"""What a commit is marked with: statuses of a pull request's head, and of what came of it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.review.escaping import visible
from reconciler.core.review.verdicts import Review, Verdict

VALIDATE, POLICY, PLAN = "plimsoll/validate", "plimsoll/policy", "plimsoll/plan"
DEPLOY = "plimsoll/deploy/"


class State(StrEnum):
    """Of a commit's status, in GitHub's words."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Status:
    """What a commit is marked with under the name `context`; `text` is one short line, `link` is
    where the whole can be read, if anywhere."""

    context: str
    state: State
    text: str
    link: str = ""


def planning() -> Status:
    """There is no plan that is current: nothing may count on an earlier one."""
    return Status(PLAN, State.PENDING, "planning: head or branch moved")


def of(review: Review, *, link: str = "") -> tuple[Status, ...]:
    """The three statuses of the head."""
    return tuple(
        Status(context, state, visible(" ".join(text.split())), link)
        for context, state, text in _all(review)
    )


def _all(review: Review) -> Iterator[tuple[str, State, str]]:
    headline = review.headline
    match review.verdict:
        case Verdict.CONFLICTING | Verdict.INVALID:
            yield VALIDATE, State.FAILURE, headline
            yield POLICY, State.PENDING, "nothing to judge until the files are valid"
            yield PLAN, State.FAILURE, f"no plan: {headline}"
        case Verdict.REFUSED:
            reasons = [reason for row in review.rows for reason in row.refusals]
            yield VALIDATE, State.SUCCESS, "the files are valid"
            yield POLICY, State.FAILURE, f"{headline}: {reasons[0]}"
            yield PLAN, State.SUCCESS, _extent(review)
        case Verdict.UNKNOWN:
            yield VALIDATE, State.SUCCESS, "the files are valid"
            yield POLICY, State.PENDING, headline
            yield PLAN, State.PENDING, headline
        case Verdict.ALLOWED:
            yield VALIDATE, State.SUCCESS, "the files are valid"
            yield POLICY, State.SUCCESS, "every policy that enforces agrees"
            yield PLAN, State.SUCCESS, _extent(review)
        case Verdict.NO_CHANGES:
            yield VALIDATE, State.SUCCESS, "the files are valid"
            yield POLICY, State.SUCCESS, "no changes"
            yield PLAN, State.SUCCESS, "no changes"


def _extent(review: Review) -> str:
    rows, hosts = len(review.rows), len(review.hosts)
    return f"{rows} deployment{'' if rows == 1 else 's'}, {hosts} host{'' if hosts == 1 else 's'}"
