"""A version's own requests to warm up with, from the files that were published with it.

`assets.extra/tf_serving_warmup_requests` is TensorFlow Serving's file of PredictionLogs;
`plimsoll_warmup.jsonl` is ours: a line is a body that a client would POST. Read one request at a
time, so that a file costs no more memory than its largest one. Whatever is wrong with one names
it, and is an `UnsafeModel`: the version is not loaded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import InvalidInput, PlimsollError, UnsafeModel
from runtime.backends.protocol import Backend
from runtime.config import Pin
from runtime.inference.asked import Asked
from runtime.inference.warming import Recorded
from runtime.protocols import (
    classify_regress,
    column_vectors,
    examples,
    json_tensors,
    open_inference_request,
    predict_request,
    tf_records,
)
from runtime.protocols.classify_regress import Task
from runtime.protocols.open_inference_plan import Plans
from runtime.table import Slot

OURS = "plimsoll_warmup.jsonl"
THEIRS = "tf_serving_warmup_requests"
MOST = 1000
_FIX = "publish the version with a right file, or without it"


@dataclass(frozen=True, slots=True)
class Reader:
    """No request has more than `limit` bytes."""

    limit: int

    def read(self, files: Path, backend: Backend, pin: Pin) -> Iterator[Recorded]:
        """All requests of both files, in their order; raises `UnsafeModel`."""
        theirs = [path for path in files.rglob(THEIRS) if path.parent.name == "assets.extra"]
        for path in sorted(theirs):
            yield from _named(path, self._theirs(path, backend, pin))
        for path in sorted(files.rglob(OURS)):
            yield from _named(path, self._ours(path, backend, pin))

    def _theirs(self, path: Path, backend: Backend, pin: Pin) -> Iterator[tuple[Asked, ...]]:
        try:
            # The messages are heavy, and few versions have such a file.
            from runtime.protocols.grpc import recorded  # noqa: PLC0415
        except ImportError as error:
            raise UnsafeModel(
                f"the version has a {THEIRS}, and {error.name} is not installed",
                fix="pip install 'plimsoll[grpc]'",
            ) from error
        with path.open("rb") as file:
            for record in tf_records.read(file, limit=self.limit):
                yield recorded.asked(record, backend.calls, form=pin.format, limit=self.limit)

    def _ours(self, path: Path, backend: Backend, pin: Pin) -> Iterator[tuple[Asked, ...]]:
        described = Slot(pin, backend=backend)
        with path.open("rb") as file:
            while line := file.readline(self.limit + 1):
                if len(line) > self.limit:
                    raise InvalidInput(f"the line has more than {self.limit} bytes")
                if line.strip():
                    yield (self._line(line.strip(), described, backend),)

    def _line(self, line: bytes, slot: Slot, backend: Backend) -> Asked:
        document = json_tensors.loads(line)
        if "examples" in document:
            return self._of_examples(document, slot, backend)
        if _is_open_inference(document.get("inputs")):
            plan = Plans().of(slot)
            layout = open_inference_request.layout(plan, line)
            return open_inference_request.asked(plan, layout, b"", 0)
        call, read = predict_request.call_name(document, backend), json_tensors.reader(line)
        tensors = backend.calls[call].signature.inputs
        of = (predict_request.rows if predict_request.is_row_format(document)
              else predict_request.columns)  # fmt: skip
        inputs = of(document, tensors, read=read)
        if column_vectors.are_given(inputs, tensors):
            inputs = column_vectors.widened(inputs, tensors)
        return Asked(call, inputs)

    def _of_examples(self, document: dict[str, Any], slot: Slot, backend: Backend) -> Asked:
        """To classify and to regress takes the same inputs: what the model offers is run."""
        name, rows = predict_request.signature_name(document), examples.read(document)
        for task in Task:
            try:
                plan = classify_regress.planned(backend.calls, name, task, form=slot.pin.format)
            except InvalidInput:
                if task is Task.REGRESS:
                    raise
                continue
            if plan.packed:
                items = [examples.serialized(row) for row in rows]
                return plan.of(items, context=b"", limit=self.limit)
            return plan.by_feature(rows, limit=self.limit)
        raise AssertionError("the last task returns or raises")


def _is_open_inference(inputs: object) -> bool:
    """Its inputs are a list of objects that have a datatype; a column of TensorFlow Serving's
    is never one."""
    first = inputs[0] if isinstance(inputs, list) and inputs else None
    return isinstance(first, dict) and "datatype" in first


def _named(path: Path, requests: Iterator[tuple[Asked, ...]]) -> Iterator[Recorded]:
    """Each by its file and number, from 1, whatever comes of it."""
    number = 0
    while True:
        number += 1
        place = f"{path.name}, request {number}"
        try:
            found = next(requests, None)
        except UnsafeModel:
            raise
        except PlimsollError as error:
            raise UnsafeModel(f"{place}: {error.detail}", fix=_FIX) from error
        except OSError as error:
            raise UnsafeModel(f"{path.name}: cannot be read: {error.strerror}") from error
        if found is None:
            return
        if number > MOST:
            raise UnsafeModel(
                f"Number of warmup records exceeds the maximum ({MOST}) at {path.name}", fix=_FIX
            )
        for asked in found:
            yield Recorded(place, asked)
