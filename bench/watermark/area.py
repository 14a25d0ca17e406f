"""The rows of `python -m bench --area watermark`: what the marks cost, survive, and never do.

The first run trains for some minutes and keeps what it trained; the next ones take seconds of it.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from threadpoolctl import threadpool_limits

from bench import figures
from bench.figures import Of, Row, Sign
from bench.watermark import colluders, distortion, finding, null, speed, survival, trained, triggers
from bench.watermark.null import Null

_AREA = "watermark"
_POINTS = 0.2
_NAMED = figures.Bar(Of.VALUE, Sign.AT_LEAST, round(finding.THRESHOLD, 2))
# What makes another model of it: here a mark is lost, and the row says so without a bar.
_LOST = ("distilled into a new network", "trained anew on the same data")


def rows() -> Iterator[Row]:
    """Speed first, while nothing else runs."""
    yield from speed.rows()
    with ThreadPoolExecutor(2) as two:
        list(two.map(trained.trained, ("transformer", "MLP", "CNN", "small")))
        list(two.map(survival.prepare, ("transformer", "MLP", "CNN")))
        list(two.map(triggers.prepare, triggers.KINDS))
    yield from _distortion()
    nobody = list[Null]()
    with ProcessPoolExecutor(2, get_context("spawn"), threadpool_limits, (1,)) as two:
        for one in two.map(_network, ("transformer", "MLP", "CNN")):
            yield from map(_survived, one.survived)
            yield from _colluded(one.colluded)
            nobody += one.innocent
    nobody = [*null.wrong_keys(), *nobody]
    null.keep(nobody)
    yield from map(_null, nobody)
    yield from map(_asked, triggers.measured())


@dataclass(frozen=True, slots=True)
class _Network:
    """All that is measured of one network."""

    survived: list[survival.Survived]
    colluded: list[colluders.Collusion]
    innocent: list[Null]


def _network(kind: str) -> _Network:
    return _Network(
        list(survival.measured(kind)), list(colluders.measured(kind)), list(null.innocents(kind))
    )


def _distortion() -> Iterator[Row]:
    for one in distortion.measured():
        yield Row(
            _AREA,
            f"{one.kind}: accuracy lost, mean of {len(one.after)} copies",
            one.points,
            "points",
            f"{100 * one.before:.2f} % of {one.asked:,}; {100 * one.agreement:.2f} % same answers",
            bar=figures.at_most(_POINTS),
        )


def _survived(one: survival.Survived) -> Row:
    found = one.found
    return Row(
        _AREA,
        f"{one.kind}: {one.attack}",
        found.u,
        "u of the host",
        f"z informed {found.informed:.1f}, blind {found.blind:.1f}, owner {found.owner_blind:.1f}, "
        f"innocent ≤ {found.innocent:.1f}; "
        f"accuracy {one.points:+.1f}, same answers {100 * one.agreement:.1f} %",
        bar=None if one.attack in _LOST else _NAMED,
    )


def _colluded(found: Sequence[colluders.Collusion]) -> Iterator[Row]:
    for one in found:
        yield Row(
            _AREA,
            f"{one.kind}: {one.size} hosts, {one.how}: named",
            one.named,
            "hosts",
            f"weakest z {one.weakest:.1f}; innocent ≤ {one.innocent:.1f} of 50",
            ratio=one.named / one.size,
            bar=figures.at_least(1) if one.is_promised else None,
        )
    named = f"{found[0].kind}: innocent hosts named, in all of these"
    yield Row(_AREA, named, sum(one.accused for one in found), "hosts", bar=figures.at_most(0))


def _null(one: Null) -> Row:
    return Row(
        _AREA,
        f"falsely named: {one.said}",
        one.named,
        f"of {len(one.u):,}",
        f"highest u {one.u.max():.2f}, names from {one.threshold:.2f}; sd {one.z.std():.3f}",
        bar=figures.at_most(0),
    )


def _asked(one: triggers.Asked) -> Row:
    said = one.verdict
    return Row(
        _AREA,
        f"trigger set, {one.kind}: {one.attack}",
        said.right,
        f"of {said.asked} right",
        f"p = {said.probability:.0e}; accuracy {one.points:+.2f} points",
    )
