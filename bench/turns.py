"""Several servers under the same load in turns, and what one did beside another."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench import load
from bench.figures import Bar, Row
from bench.load import Load, Question

_AREA = "runtime"
_WARM_S = 0.3
OURS = "ours"


@dataclass(frozen=True, slots=True)
class Turns:
    """What each contender did in each round; the n-th of all were taken in one round."""

    taken: Mapping[str, Sequence[Load]]

    def answers(self, what: str, bars: Mapping[str, Bar | None]) -> Iterator[Row]:
        """Our answers a second, a row for each peer that `bars` names."""
        for peer, bar in bars.items():
            ratio = self._ratio(OURS, peer, _rate)
            theirs = f"{peer}: {self._median(peer, _rate):,.0f} /s"
            ours = self._median(OURS, _rate)
            yield Row(_AREA, f"{what}: answers", ours, "1/s", theirs, ratio=ratio, bar=bar)

    def p50(self, what: str, bars: Mapping[str, Bar | None]) -> Iterator[Row]:
        """Our median latency, a row for each peer that `bars` names."""
        for peer, bar in bars.items():
            yield self._latency(f"{what}: p50", peer, _p50, bar)

    def p99(self, what: str, bars: Mapping[str, Bar | None]) -> Iterator[Row]:
        """The latency that one of a hundred exceeds, likewise."""
        for peer, bar in bars.items():
            yield self._latency(f"{what}: p99", peer, _p99, bar)

    def _latency(
        self, what: str, peer: str, figure: Callable[[Load], float], bar: Bar | None
    ) -> Row:
        theirs = f"{peer}: {self._median(peer, figure) * 1e3:.3f} ms"
        ours = self._median(OURS, figure) * 1e3
        return Row(_AREA, what, ours, "ms", theirs, ratio=self._ratio(OURS, peer, figure), bar=bar)

    def _median(self, name: str, figure: Callable[[Load], float]) -> float:
        return statistics.median(map(figure, self.taken[name]))

    def _ratio(self, ours: str, peer: str, figure: Callable[[Load], float]) -> float:
        rounds = zip(self.taken[ours], self.taken[peer], strict=True)
        return statistics.median(figure(our) / figure(their) for our, their in rounds)


def under_load(
    contenders: Mapping[str, Question], *, clients: int, rounds: int, seconds: float
) -> Turns:
    """All of them `rounds` times for `seconds`, each round beginning with another."""
    asking = {
        name: lambda asked=asked: load.ask(asked, clients=clients, seconds=seconds)
        for name, asked in contenders.items()
    }
    for asked in contenders.values():
        load.ask(asked, clients=clients, seconds=_WARM_S)
    return taken(asking, rounds=rounds)


def taken(contenders: Mapping[str, Callable[[], Load]], *, rounds: int) -> Turns:
    """What they give, in turns."""
    order, found = list(contenders), dict[str, list[Load]]()
    for _ in range(rounds):
        for name in order:
            found.setdefault(name, []).append(contenders[name]())
        order = order[1:] + order[:1]
    return Turns(found)


def _rate(one: Load) -> float:
    return one.per_second


def _p50(one: Load) -> float:
    return one.median


def _p99(one: Load) -> float:
    return one.p99
