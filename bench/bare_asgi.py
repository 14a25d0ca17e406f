"""`python -m bench.bare_asgi PORT FILE`: the floor, one ASGI function over onnxruntime.

No router, no check, no limit, no metric, no queue: uvicorn (uvloop, httptools), orjson, numpy.
It speaks the Open Inference Protocol's two forms and TensorFlow Serving's rows, as much of each
as the measured requests use. The engine has a thread for each core, which do not spin; our runtime
gives a model as small as the measured one a single thread.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import orjson
import uvicorn
from numpy.typing import NDArray

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_LENGTH = b"inference-header-content-length"
_JSON = (b"content-type", b"application/json")
_BYTES = (b"content-type", b"application/octet-stream")


class Floor:
    """One session with one input and one output."""

    def __init__(self, file: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        body: bytes = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        lengths = [int(value) for name, value in scope["headers"] if name == _LENGTH]
        if lengths:
            answer, headers = self._binary(body, lengths[0])
        elif scope["path"].startswith("/v2/"):
            answer, headers = self._tensors(body), [_JSON]
        else:
            answer, headers = self._rows(body), [_JSON]
        headers.append((b"content-length", b"%d" % len(answer)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _rows(self, body: bytes) -> bytes:
        rows = np.array(orjson.loads(body)["instances"], np.float32)
        return orjson.dumps({"predictions": self._run(rows).tolist()})

    def _tensors(self, body: bytes) -> bytes:
        tensor = orjson.loads(body)["inputs"][0]
        found = self._run(np.array(tensor["data"], np.float32).reshape(tensor["shape"]))
        return orjson.dumps(self._described(found, data=found.ravel().tolist()))

    def _binary(self, body: bytes, length: int) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        tensor = orjson.loads(body[:length])["inputs"][0]
        rows = np.frombuffer(body, np.float32, offset=length).reshape(tensor["shape"])
        data = (found := self._run(rows)).tobytes()
        head = orjson.dumps(self._described(found, parameters={"binary_data_size": len(data)}))
        return head + data, [_BYTES, (_LENGTH, b"%d" % len(head))]

    def _described(self, found: NDArray[np.float32], **rest: object) -> dict[str, object]:
        output = {"name": self._output, "datatype": "FP32", "shape": found.shape, **rest}
        return {"model_name": "net", "model_version": "1", "outputs": [output]}

    def _run(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        found: list[NDArray[np.float32]] = self._session.run([self._output], {self._input: rows})
        return found[0]


if __name__ == "__main__":
    uvicorn.run(
        Floor(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
    )
