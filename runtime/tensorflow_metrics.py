"""What TensorFlow Serving's dashboards read: requests, run times, warm-ups, Examples, queues.

Names, labels and bounds are TensorFlow Serving's, but for the bounds of queues: those are counted
once for all pages, by powers of two (`runtime.exposition`).
"""

from runtime.config import Pin
from runtime.inference.asked import Times
from runtime.table import Table
from runtime.tallies import Counts, Histograms, Together

_PREFIX = ":tensorflow:serving:"
_MICROSECONDS = [10 * 1.8**power for power in range(33)]
_EXAMPLES = [2**power for power in range(15)]


class TensorflowMetrics:
    """`table` says which versions gather batches."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._answers = Together(self._count_answer)
        self._runs = Together(self._count_run)
        self._count = Counts(
            f"{_PREFIX}request_count", "The number of requests.", ("model_name", "status")
        )
        self._latency = _times(
            "request_latency",
            "Distribution of wall time in microseconds.",
            ("model_name", "API", "entrypoint"),
        )
        self._runtime = _times(
            "runtime_latency",
            "Distribution of wall time (in microseconds) for the engine.",
            ("model_name", "API", "runtime"),
        )
        self._warmup = _times(
            "model_warmup_latency",
            "Distribution of wall time (in microseconds) for warming up the model.",
            ("model_path", "status"),
        )
        self._examples = Histograms(
            f"{_PREFIX}request_example_counts",
            "The number of tensorflow.Examples per request.",
            ("model",),
            bounds=_EXAMPLES,
        )

    def answered(self, pin: Pin, code: str, api: str, entrypoint: str, *, seconds: float) -> None:
        """One request; `code` is TensorFlow's name for the outcome."""
        self._answers.add((pin, code, api, entrypoint, seconds))

    def ran(self, pin: Pin, api: str, times: Times) -> None:
        """The engine ran for one request."""
        self._runs.add((pin, api, times))

    def examples(self, pin: Pin, count: int) -> None:
        """So many Examples came in one request."""
        self._examples.add(count, pin.model)

    def warmed_up(self, pin: Pin, *, seconds: float) -> None:
        """A version has run the requests of its warm-up files."""
        self._warmup.add(seconds * 1e6, f"/models/{pin.model}/{pin.version}", "OK")

    def page(self) -> bytes:
        """At /monitoring/prometheus/metrics."""
        from runtime import exposition  # noqa: PLC0415  heavy, and none of a start's business

        self._answers.settle()
        self._runs.settle()
        tallies = (self._count, self._latency, self._runtime, self._warmup, self._examples)
        return exposition.tensorflow(self._table, tallies)

    def _count_answer(self, answer: tuple[Pin, str, str, str, float]) -> None:
        pin, code, api, entrypoint, seconds = answer
        self._count.add(pin.model, code)
        self._latency.add(seconds * 1e6, pin.model, api, entrypoint)

    def _count_run(self, run: tuple[Pin, str, Times]) -> None:
        pin, api, times = run
        self._runtime.add(times.compute / 1000, pin.model, api, pin.format)


def _times(name: str, said: str, labels: tuple[str, ...]) -> Histograms:
    return Histograms(_PREFIX + name, said, labels, bounds=_MICROSECONDS)
