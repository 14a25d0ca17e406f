"""How long a search by tags takes, against MLflow's with the same filters and versions."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from bench import figures, population, repeating
from bench.figures import Bar, Row
from bench.population import Member, Question
from bench.sides import MLFLOW, OURS, PAGE, Side
from registry import errors

_AREA = "registry"
_TURNS = 20
_BARS: Mapping[int, Bar] = {10_000: figures.under(15), 100_000: figures.under(25)}


def rows(name: str, size: int, sides: Mapping[str, Side]) -> Iterator[Row]:
    """Pages of 100, newest first; the sides take turns with the same questions.

    The percentile is over nine kinds of questions, so that no kind can hide behind the others:
    the slowest of them is what it shows. A page costs its rows, and the versions that have to be
    looked at to find them: few for one tag, those with the rarer tag for two.
    """
    members = list(population.members(0, size))
    for side in sides.values():
        for question in population.questions(0):
            _require_right(side, question, members)
    taken: dict[str, list[float]] = {key: [] for key in sides}
    for turn in range(1, 1 + _TURNS):
        for key, side in sides.items():
            taken[key] += [_seconds(side, question) for question in population.questions(turn)]
    p95 = {key: _p95(seconds) for key, seconds in taken.items()}
    is_compared = MLFLOW in sides
    yield Row(
        _AREA,
        f"{name}: search {size} versions by tag, p95",
        p95[OURS] * 1e3,
        "ms",
        f"MLflow: {p95[MLFLOW] * 1e3:.0f} ms" if is_compared else _slowest(taken[OURS]),
        ratio=p95[MLFLOW] / p95[OURS] if is_compared else None,
        bar=_BARS.get(size),
    )


def _require_right(side: Side, question: Question, members: Sequence[Member]) -> None:
    """What is fast and wrong is not measured."""
    matching = population.matching(question, members)
    expected = min(PAGE, max(0, matching - (question.page - 1) * PAGE))
    found, _ = side.search(question, _token(side, question))
    if found != expected:
        raise errors.IntegrityError(
            f"{side.spelling.search}: {question} found {found} versions, not {expected}"
        )


def _seconds(side: Side, question: Question) -> float:
    return repeating.seconds(partial(side.search, question, _token(side, question)))


def _token(side: Side, question: Question) -> str:
    """What leads to the page that is asked for; found out before the time counts."""
    token = ""
    for _ in range(1, question.page):
        _, token = side.search(question, token)
    return token


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


def _slowest(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds) * 1e3:.1f} ms, slowest {max(seconds) * 1e3:.0f} ms"
