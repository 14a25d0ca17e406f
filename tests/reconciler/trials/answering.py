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

from reconciler.engines.protocol import Endpoint
from reconciler.trials.subject import Target

_PATH = re.compile(r"/v1/models/([^/]+)/versions/(\d+)(:predict|/metadata)")


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


@dataclass
class Answering:
    """Versions by model and number."""

    url: str = ""
    versions: dict[tuple[str, int], Version] = field(default_factory=dict)
    asked: int = 0
    together: int = 0
    most_together: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def target(self, version: int, model: str = "digits") -> Target:
        return Target(model, version, Endpoint(self.url, {}))


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
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        state, version = self.state, self._version()
        with state.lock:
            state.asked += 1
            state.together += 1
            state.most_together = max(state.most_together, state.together)
        time.sleep(version.delay_s)
        with state.lock:
            state.together -= 1
        predictions = [version.predict(one) for one in body["instances"]]
        self._send(version.status, {"predictions": predictions})

    def do_GET(self) -> None:
        version = self._version()
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
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _tensor(dtype: str, shape: list[int]) -> dict[str, Any]:
    dims = [{"size": str(size)} for size in shape]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}}
