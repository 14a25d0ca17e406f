"""Prometheus metrics: under TensorFlow Serving's names for its dashboards, and under our own."""

from runtime.config import Pin
from runtime.table import Table
from runtime.tallies import Counts, Histograms, Together
from runtime.tensorflow_metrics import TensorflowMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = [0.0005 * 2**power for power in range(16)]


class Metrics:
    """All that is counted. Label values are models and versions of the table, never raw paths."""

    def __init__(self, table: Table) -> None:
        self.tensorflow = TensorflowMetrics(table)
        self._answers = Together(self._count)
        self._table = table
        self._requests = Counts(
            "plimsoll_requests",
            "Inference requests answered, in any protocol.",
            ("model", "version", "status"),
        )
        self._seconds = Histograms(
            "plimsoll_request_seconds",
            "From the request's head to its answer.",
            ("model", "version"),
            bounds=_BUCKETS,
        )
        self._labels = Counts(
            "plimsoll_labels",
            "Labels that were posted, by what came of them; no version where none knows the id.",
            ("model", "version", "result"),
        )
        self._verified = Counts(
            "plimsoll_verifications",
            "Versions whose proof and files were checked, by result.",
            ("model", "result"),
        )
        self._refused = Counts(
            "plimsoll_refusals",
            "Versions that were not loaded, by the check that failed and its error.",
            ("model", "check", "code"),
        )

    def predicted(
        self,
        pin: Pin,
        *,
        status: int,
        code: str,
        seconds: float,
        api: str = "Predict",
        entrypoint: str = "REST",
    ) -> None:
        """One request of TensorFlow Serving's dialect was answered; `code` is TensorFlow's name
        for the outcome."""
        self.tensorflow.answered(pin, code, api, entrypoint, seconds=seconds)
        self.answered(pin, status=status, seconds=seconds)

    def answered(self, pin: Pin, *, status: int, seconds: float) -> None:
        """One request for an inference was answered, in whatever protocol."""
        self._answers.add((pin, status, seconds))

    def labelled(self, model: str, version: str, result: str) -> None:
        """A label for an answer of this version came."""
        self._labels.add(model, version, result)

    def verified(self, model: str, result: str) -> None:
        """A version's proof and files were checked."""
        self._verified.add(model, result)

    def refused(self, model: str, check: str, code: str) -> None:
        """A version was not loaded."""
        self._refused.add(model, check, code)

    def own(self) -> bytes:
        """The page at /metrics."""
        from runtime import exposition  # noqa: PLC0415  heavy, and none of a start's business

        self._answers.settle()
        tallies = (self._requests, self._seconds, self._labels, self._verified, self._refused)
        return exposition.own(self._table, tallies)

    def _count(self, answer: tuple[Pin, int, float]) -> None:
        pin, status, seconds = answer
        version = str(pin.version)
        self._requests.add(pin.model, version, str(status))
        self._seconds.add(seconds, pin.model, version)
