"""What one version has done, in Triton's terms and in histograms; counting costs nanoseconds.

Only whole numbers are added up, on the event loop; who shows them reads a snapshot. A histogram's
bound is a power of two, so that finding it is one machine instruction.
"""

import time
from dataclasses import dataclass

from registry import errors
from registry.errors import PlimsollError
from runtime.inference.asked import Asked, Outcome, Times
from runtime.tallies import Together

_BITS = 64


@dataclass(frozen=True, slots=True)
class Spent:
    """How often, and nanoseconds altogether."""

    count: int
    ns: int


@dataclass(frozen=True, slots=True)
class BatchSize:
    """What runs of so many rows took."""

    rows: int
    compute_input: Spent
    compute_infer: Spent
    compute_output: Spent


@dataclass(frozen=True, slots=True)
class Snapshot:
    """As Triton's /stats has it: `inference_count` rows, `execution_count` runs of the engine;
    times are summed over requests, so each member of a batch counts the whole run's.

    `last_inference` is milliseconds since 1970, 0 for never. A histogram's position n counts the
    values of n bits, which are below 2**n.
    """

    last_inference: int
    inference_count: int
    execution_count: int
    success: Spent
    fail: Spent
    queue: Spent
    compute_input: Spent
    compute_infer: Spent
    compute_output: Spent
    cache_hit: Spent
    cache_miss: Spent
    batches: tuple[BatchSize, ...]
    failures: dict[str, int]
    queue_histogram: tuple[int, ...]
    compute_histogram: tuple[int, ...]
    rows_histogram: tuple[int, ...]


class Statistics:
    """The observer that every version has. `failures` are by Triton's reasons."""

    __slots__ = (
        "_alone", "_batches", "_compute", "_fail", "_failures", "_hit", "_last", "_miss", "_queue",
        "_rows", "_runs", "_spent", "_success",
    )  # fmt: skip

    def __init__(self) -> None:
        self._alone = Together(self._ran_alone)
        self._last = 0.0
        self._rows = 0
        self._runs = 0
        self._success = [0, 0]
        self._fail = [0, 0]
        self._hit = [0, 0]
        self._miss = [0, 0]
        self._spent = [0, 0, 0, 0, 0]  # requests; ns queue, input, compute, output
        self._batches: dict[int, list[int]] = {}  # by rows: runs; ns input, compute, output
        self._failures = dict.fromkeys(("REJECTED", "CANCELED", "BACKEND", "OTHER"), 0)
        self._queue = [0] * _BITS
        self._compute = [0] * _BITS

    @property
    def requests(self) -> int:
        """How many were answered or failed."""
        self._alone.settle()
        return self._success[0] + self._fail[0]

    @property
    def mean_run_ns(self) -> float:
        """How long the engine's runs for requests took, on average; 0 before any."""
        self._alone.settle()
        return self._spent[3] / max(self._spent[0], 1)

    def executed(self, rows: int, times: Times) -> None:
        """The engine ran once, for one request or several."""
        self._runs += 1
        self._rows += rows
        self._compute[times.compute.bit_length()] += 1
        found = self._batches.get(rows)
        if found is None:
            found = self._batches[rows] = [0, 0, 0, 0]
        found[0] += 1
        found[1] += times.input
        found[2] += times.compute
        found[3] += times.output

    def inferred(self, asked: Asked, outcome: Outcome) -> None:
        """See `Observer.inferred`."""
        del asked
        times = outcome.times
        self._answered(times, time.time())
        if outcome.batch == 0:
            self._hit[0] += 1
            self._hit[1] += times.compute
            return
        self._add(times)

    def alone(self, rows: int, times: Times) -> None:
        """`executed` and `inferred` of a request for which the engine ran as it came."""
        self._alone.add((rows, times, time.time()))

    def _ran_alone(self, run: tuple[int, Times, float]) -> None:
        rows, times, now = run
        self.executed(rows, times)
        self._answered(times, now)
        self._add(times)

    def _answered(self, times: Times, now: float) -> None:
        self._last = max(self._last, now)
        self._success[0] += 1
        self._success[1] += times.queue + times.input + times.compute + times.output

    def _add(self, times: Times) -> None:
        spent = self._spent
        spent[0] += 1
        spent[1] += times.queue
        spent[2] += times.input
        spent[3] += times.compute
        spent[4] += times.output
        self._queue[times.queue.bit_length()] += 1

    def missed(self, ns: int) -> None:
        """The cache was looked into for so long, and had no answer."""
        self._miss[0] += 1
        self._miss[1] += ns

    def failed(self, asked: Asked, error: PlimsollError) -> None:
        """See `Observer.failed`."""
        del asked
        self._fail[0] += 1
        self._failures[_reason(error)] += 1

    def abandoned(self, asked: Asked) -> None:
        """See `Observer.abandoned`."""
        del asked
        self._fail[0] += 1
        self._failures["CANCELED"] += 1

    def snapshot(self) -> Snapshot:
        """All of it as it is now."""
        self._alone.settle()
        requests, queue, given, compute, output = self._spent
        rows = [0] * _BITS
        for size, (runs, *_) in self._batches.items():
            rows[size.bit_length()] += runs
        return Snapshot(
            int(self._last * 1000),
            self._rows,
            self._runs,
            Spent(*self._success),
            Spent(*self._fail),
            Spent(requests, queue),
            Spent(requests, given),
            Spent(requests, compute),
            Spent(requests, output),
            Spent(*self._hit),
            Spent(*self._miss),
            tuple(_batch_size(size, *found) for size, found in sorted(self._batches.items())),
            dict(self._failures),
            tuple(self._queue),
            tuple(self._compute),
            tuple(rows),
        )


def _batch_size(rows: int, runs: int, *ns: int) -> BatchSize:
    spent_input, compute, output = (Spent(runs, spent) for spent in ns)
    return BatchSize(rows, spent_input, compute, output)


def _reason(error: PlimsollError) -> str:
    if isinstance(error, errors.Unavailable | errors.WaitTimedOut):
        return "REJECTED"
    return "BACKEND" if type(error) is PlimsollError else "OTHER"  # the engine failed
