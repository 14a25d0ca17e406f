"""A runtime of the tests: versions are functions, and what was asked of them is counted."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from reconciler.engines.protocol import Endpoint
from reconciler.trials.subject import Target

_PATH = re.compile(r"/v[12]/models/([^/]+)/versions/(\d+)(:predict|/metadata|/infer|)")
_HEAD = "Inference-Header-Content-Length"
_DATATYPES = {"DT_FLOAT": "FP32", "DT_DOUBLE": "FP64", "DT_INT64": "INT64"}
_DTYPES = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8"}


@dataclass
class Version:
    """`predict` answers one instance; `inputs` and `outputs` map names to a type and a shape."""

    predict: Callable[[Any], Any]
    inputs: dict[str, tuple[str, list[int]]] = field(
        default_factory=lambda: {"x": ("DT_FLOAT", [-1, 4])}
    )
    outputs: dict[str, tuple[str, list[int]]] = field(
        default_factory=lambda: {"scores": ("DT_FLOAT", [-1, 2])}
    )
    delay_s: float = 0.0
    status: int = 200
    clients: int = 1
    """Nobody is answered before so many have asked at once."""


@dataclass
class Answering:
    """Versions by model and number."""

    url: str = ""
    versions: dict[tuple[str, int], Version] = field(default_factory=dict)
    asked: int = 0
    together: int = 0
    most_together: int = 0
    lock: threading.Condition = field(default_factory=threading.Condition)

    def target(self, version: int, model: str = "digits") -> Target:
        return Target(model, version, Endpoint(self.url, {}), f"sha256:{version}")


@contextmanager
def answering() -> Iterator[Answering]:
    state = Answering()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    state: Answering

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["content-length"]))
        size = int(self.headers.get(_HEAD, len(said)))
        body = json.loads(said[:size])
        state, version = self.state, self._version()
        with state.lock:
            state.asked += 1
            state.together += 1
            state.most_together = max(state.most_together, state.together)
            state.lock.notify_all()
            state.lock.wait_for(lambda: state.most_together >= version.clients, timeout=60)
        time.sleep(version.delay_s)
        with state.lock:
            state.together -= 1
        if _HEAD in self.headers:
            self._infer(version, body, said[size:])
            return
        predictions = [version.predict(one) for one in body["instances"]]
        self._send(version.status, {"predictions": predictions})

    def _infer(self, version: Version, body: Any, tensors: bytes) -> None:
        """Of one input, in binary tensors both ways."""
        [asked] = body["inputs"]
        rows = np.frombuffer(tensors, _DTYPES[asked["datatype"]]).reshape(asked["shape"])
        name = body["outputs"][0]["name"]
        datatype = _DATATYPES[version.outputs[name][0]]
        dtype = _DTYPES[datatype]
        found = np.array([version.predict(row) for row in rows.tolist()], dtype)
        described = {"name": name, "datatype": datatype, "shape": found.shape}
        head = json.dumps({"outputs": [described]}).encode()
        self._send_bytes(version.status, head + found.tobytes(), {_HEAD: str(len(head))})

    def do_GET(self) -> None:
        version = self._version()
        if self.path.startswith("/v2/"):
            self._send(200, {"inputs": _v2(version.inputs), "outputs": _v2(version.outputs)})
            return
        sides = {
            side: {name: _tensor(*one) for name, one in named.items()}
            for side, named in (("inputs", version.inputs), ("outputs", version.outputs))
        }
        defined = {"signature_def": {"serving_default": sides}}
        self._send(200, {"metadata": {"signature_def": defined}})

    def _version(self) -> Version:
        found = _PATH.fullmatch(self.path)
        assert found
        return self.state.versions[found[1], int(found[2])]

    def _send(self, status: int, document: Any) -> None:
        self._send_bytes(status, json.dumps(document).encode(), {})

    def _send_bytes(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _v2(declared: dict[str, tuple[str, list[int]]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": _DATATYPES[dtype], "shape": shape}
        for name, (dtype, shape) in declared.items()
    ]


def _tensor(dtype: str, shape: list[int]) -> dict[str, Any]:
    dims = [{"size": str(size)} for size in shape]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}}
