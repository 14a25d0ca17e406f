"""A sampled log of inferences: CloudEvents as JSON lines, in the form that KServe's loggers send.

Numbers are summed up (type, shape, lowest, highest, mean) and text is left out, unless its tensor
is named in the declaration. A thread writes; when it does not keep up, lines are dropped and
counted, never waited for. The file is turned over once, so it takes twice `maxBytes` at most.
"""

import logging
import os
import queue
import random
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from registry.core.canonical import Json
from registry.errors import PlimsollError
from runtime.backends.protocol import Array, Arrays
from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome
from runtime.observation import RequestLog
from runtime.observing.current import current
from runtime.observing.summary import summarised

_WAITING = 1024
_LONGEST_TEXT = 256
_MOST_TEXTS = 16
_TYPE = "org.kubeflow.serving.inference"
_log = logging.getLogger("plimsoll.runtime")


class Writer:
    """One file for all versions."""

    def __init__(self, declared: RequestLog, *, host: str) -> None:
        self.declared = declared
        self.host = host
        self.dropped = 0
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue(_WAITING)
        threading.Thread(target=self._write_forever, name="request log", daemon=True).start()

    def put(self, event: dict[str, Any]) -> None:
        """Returns at once."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def _write_forever(self) -> None:
        while True:
            event = self._queue.get()
            try:
                self._write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
            except OSError as error:
                self.dropped += 1
                _log.warning("request log not written", extra={"reason": str(error)})

    def _write(self, line: bytes) -> None:
        path = self.declared.file
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as file:
            if file.tell() + len(line) > self.declared.max_bytes and file.tell():
                path.replace(path.with_name(f"{path.name}.1"))
                self._write(line)
            else:
                file.write(line)


class Requests:
    """Those of one version; drawn by chance, request and answer together."""

    def __init__(self, writer: Writer, pin: Pin) -> None:
        self._writer = writer
        self._pin = pin
        self._rate = writer.declared.rate
        # Who is in the log is no secret worth a system call for each request.
        self._draw = random.Random(secrets.randbits(64)).random  # noqa: S311

    def answered(self, asked: Asked, outcome: Outcome) -> None:
        if self._draw() < self._rate:
            request_id = self._put("request", asked.inputs, {"call": asked.call}, "")
            times = outcome.times
            more: dict[str, Json] = {
                "batch": outcome.batch,
                "queueNs": times.queue,
                "computeNs": times.compute,
            }
            self._put("response", outcome.outputs, more, request_id)

    def failed(self, asked: Asked, error: PlimsollError) -> None:
        """The error's code and not its words, which may quote the input."""
        if self._draw() < self._rate:
            more: dict[str, Json] = {"call": asked.call, "error": error.code}
            self._put("request", asked.inputs, more, "")

    def _put(self, what: str, arrays: Arrays, more: Mapping[str, Json], request_id: str) -> str:
        """Returns the id of the request, which its answer has as well."""
        now = current()
        found = request_id or now.id or secrets.token_hex(16)
        tensors = {name: self._told(name, array) for name, array in arrays.items()}
        event: dict[str, Any] = {
            "specversion": "1.0",
            "type": f"{_TYPE}.{what}",
            "id": found,
            "source": f"plimsoll://{self._writer.host}/{self._pin.model}/{self._pin.version}",
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "datacontenttype": "application/json",
            "data": {**more, "digest": self._pin.digest, "tensors": tensors},
        }
        if now.trace:
            event["traceparent"] = f"00-{now.trace}-{now.span}-{int(now.is_sampled):02x}"
        self._writer.put(event)
        return found

    def _told(self, name: str, array: Array) -> dict[str, Json]:
        found = summarised(array)
        if array.dtype == object and name in self._writer.declared.strings:
            items = array.reshape(-1)[:_MOST_TEXTS]
            found["text"] = [item[:_LONGEST_TEXT].decode("utf-8", "replace") for item in items]
        return found
