"""Who lives in a catalogue that is searched: which versions, with which tags. Pure.

A thousand models of twenty teams get their versions in turns, one per minute, so that the newest
are of all models; most versions are archived, few are in production, and fifty old ones still
wait for an audit.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MODELS = 1000
TEAMS = 20
# One of so many waits for an audit, among the first; later ones do not.
_AUDITED_ONE_OF = 200
_AUDITED_BELOW = 10_000
# Of a hundred versions, so many are in this stage.
STAGES: Mapping[str, int] = {"production": 3, "staging": 7, "development": 20, "archived": 70}
_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_EVERY = timedelta(minutes=1)
# Coprime to 100: takes every remainder once in a hundred versions, in no order that shows.
_STRIDE = 37


@dataclass(frozen=True, slots=True)
class Member:
    """One version of the population."""

    model: str
    version: int
    tags: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """A filter, in the grammar that ours and MLflow's share, and which page of its answer."""

    filter: str
    page: int = 1


def name(number: int) -> str:
    """The model with this number."""
    return f"model-{number:04d}"


def members(start: int, stop: int) -> Iterator[Member]:
    """Those numbered `start` up to `stop`, oldest first."""
    for number in range(start, stop):
        model, version = number % MODELS, number // MODELS + 1
        tags = {"team": _team(model), "stage": _stage(number)}
        if _is_audited(number):
            tags["audit"] = "pending"
        yield Member(name(model), version, tags, _BEGIN + number * _EVERY)


def questions(turn: int) -> list[Question]:
    """One of each kind: broad, narrow, both, the second page, what is rare, what is not there.

    Each turn asks for another team, so that no answer is the one just given.
    """
    team = f"tags.team = '{_team(turn)}'"
    return [
        Question(team),
        Question(team, page=2),
        Question("tags.stage = 'archived'"),
        Question("tags.stage = 'archived'", page=2),
        Question("tags.stage = 'production'"),
        Question(f"{team} AND tags.stage = 'production'"),
        Question("tags.audit = 'pending'"),
        Question(f"{team} AND tags.audit = 'pending'"),
        Question("tags.team = 'nobody'"),
    ]


def matching(question: Question, found: Iterable[Member]) -> int:
    """How many of `found` the filter is true for; all pages together."""
    wanted = [condition.split(" = ") for condition in question.filter.split(" AND ")]
    pairs = [(key.removeprefix("tags."), value.strip("'")) for key, value in wanted]
    return sum(all(member.tags.get(key) == value for key, value in pairs) for member in found)


def _team(model: int) -> str:
    return f"team-{model % TEAMS:02d}"


def _is_audited(number: int) -> bool:
    block, place = divmod(number, _AUDITED_ONE_OF)
    return number < _AUDITED_BELOW and place == block * _STRIDE % _AUDITED_ONE_OF


def _stage(number: int) -> str:
    # Which model's turn it is must not decide: its number has the same last two digits each time.
    place = (number + number // MODELS) * _STRIDE % 100
    for stage, share in STAGES.items():
        if place < share:
            return stage
        place -= share
    raise AssertionError(place)
