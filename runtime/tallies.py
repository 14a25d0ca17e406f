"""Counters and histograms as plain numbers: a request pays for an addition or two.

Counted on the event loop, and read there when a page is asked for.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]


class Counts(Collector):
    """How often, by the values of its labels."""

    def __init__(
        self, name: str, said: str, labels: Sequence[str], *, registry: CollectorRegistry
    ) -> None:
        self._told = name, said, tuple(labels)
        self._found: dict[Labels, int] = {}
        registry.register(self)

    def add(self, *values: str) -> None:
        """Once more."""
        self._found[values] = self._found.get(values, 0) + 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        name, said, labels = self._told
        family = CounterMetricFamily(name, said, labels=labels)
        for values, count in self._found.items():
            family.add_metric(values, count)
        yield family


class Histograms(Collector):
    """How large, by the values of its labels; `bounds` in ascending order, each included."""

    def __init__(
        self,
        name: str,
        said: str,
        labels: Sequence[str],
        *,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._told = name, said, tuple(labels)
        self._bounds = tuple(bounds)
        self._found: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        registry.register(self)

    def add(self, value: float, *values: str) -> None:
        """One more of this size."""
        found = self._found.get(values)
        if found is None:
            found = self._found[values] = [0] * (len(self._bounds) + 1)
            self._sums[values] = 0.0
        found[bisect_left(self._bounds, value)] += 1
        self._sums[values] += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        name, said, labels = self._told
        family = HistogramMetricFamily(name, said, labels=labels)
        written = [*map(floatToGoString, self._bounds), "+Inf"]
        for values, counts in self._found.items():
            buckets: list[tuple[str, float]] = []
            total = 0
            for bound, count in zip(written, counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric(values, buckets, self._sums[values])
        yield family
