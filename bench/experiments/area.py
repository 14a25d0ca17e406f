"""The rows of `python -m bench --area experiments`, and the drawing of docs/experiments.md."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench import figures
from bench.experiments import plot, simulating
from bench.figures import Of, Row, Sign
from reconciler.core.experiments.deciding import MISMATCH_ALPHA
from reconciler.core.experiments.evidence import Design

_AREA = "experiments"
_DRAWING = Path(__file__).resolve().parents[2] / "docs" / "experiments.svg"
_BASE, _SMALLEST = 0.2, 0.08
_DESIGN = Design(alpha=0.05, smallest=_SMALLEST)
_RUNS, _FEWER = 10_000, 2_000
_PARTS = 20

Pair = tuple[int | None, int | None]


def rows() -> Iterator[Row]:
    """All of them; every experiment is looked at after every user."""
    fixed = simulating.fixed_size((_BASE, _BASE + _SMALLEST))
    longest = 3 * fixed
    alike = _played((_BASE, _BASE), longest, _RUNS)
    wrong, naive = (_share(alike, which, longest) for which in (0, 1))
    yield Row(
        _AREA,
        f"{_RUNS:,} experiments without a difference: a winner after one of {longest:,} users",
        100 * wrong,
        "%",
        f"a z-test at 5 % looked at as often: {100 * naive:.3g} %",
        wrong / naive,
        figures.at_most(100 * _DESIGN.alpha),
    )
    found = dict[float, list[Pair]]()
    for factor, bar in ((0.5, None), (1.0, 1.6), (1.5, None), (2.0, 0.7)):
        found[factor] = _played((_BASE, _BASE + factor * _SMALLEST), longest, _FEWER)
        yield _size(factor, found[factor], fixed, bar)
    power = _share(found[1.0], 0, 2 * fixed)
    yield Row(
        _AREA,
        "the smallest difference is found within twice the users of a z-test of 80 % power",
        100 * power,
        "%",
        bar=figures.Bar(Of.VALUE, Sign.AT_LEAST, 75),
    )
    yield _ratio(longest)
    _DRAWING.write_text(plot.drawn(alike, found[1.0], fixed), encoding="utf-8")


def _size(factor: float, found: list[Pair], fixed: int, bar: float | None) -> Row:
    longest = 3 * fixed
    users = [one[0] or longest for one in found]
    return Row(
        _AREA,
        f"users until {factor:g} times the smallest difference is found, on average",
        float(np.mean(users)),
        "users",
        f"a z-test with one look, 80 % power for the smallest: {fixed:,}",
        float(np.mean(users)) / fixed,
        None if bar is None else figures.ratio_at_most(bar),
    )


def _ratio(users: int) -> Row:
    rng = np.random.default_rng(17)
    limits = simulating.alarms(users, 0.5, MISMATCH_ALPHA)
    wrong = sum(
        simulating.mismatched_after(simulating.drawn(rng, (0.5, 0.5), users), limits) is not None
        for _ in range(_RUNS)
    )
    return Row(
        _AREA,
        f"{_RUNS:,} experiments with the declared ratio of users: an alarm",
        100 * wrong / _RUNS,
        "%",
        bar=figures.at_most(100 * MISMATCH_ALPHA),
    )


def _played(rates: tuple[float, float], users: int, runs: int) -> list[Pair]:
    """After how many users our test and the naive one were sure, in each run."""
    asked = [(rates, users, runs // _PARTS, seed) for seed in range(_PARTS)]
    with ProcessPoolExecutor(2, get_context("spawn")) as two:
        return [pair for part in two.map(_part, asked) for pair in part]


def _part(asked: tuple[tuple[float, float], int, int, int]) -> list[Pair]:
    rates, users, runs, seed = asked
    rng = np.random.default_rng([seed, round(1000 * rates[1])])
    drawn = (simulating.drawn(rng, rates, users) for _ in range(runs))
    return [
        (simulating.sure_after(_DESIGN, one), simulating.naively_sure_after(one)) for one in drawn
    ]


def _share(found: list[Pair], which: int, by: int) -> float:
    return sum((one[which] or by + 1) <= by for one in found) / len(found)
