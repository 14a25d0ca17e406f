"""What observing costs the event loop for each request: python -m bench.observing."""

import tempfile
import time
from pathlib import Path

import numpy as np

from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome, Times
from runtime.observation import Declared, RequestLog
from runtime.observing import current
from runtime.observing.observatory import Observatory

_PIN = Pin("m", 7, "sha256:" + "7" * 64, "onnx", active=True)


def microseconds(declared: Declared, headers: dict[bytes, bytes], *, times: int) -> float:
    """CPU time of this thread for one request, on average."""
    numbers = np.random.default_rng(1)
    asked = Asked("serving_default", {"x": numbers.random((1, 784), dtype=np.float32)})
    outcome = Outcome({"y": numbers.random((1, 10), dtype=np.float32)}, Times(1, 1, 1, 1))
    seen = Observatory(declared, host="h").of(_PIN)
    started = time.thread_time()
    for _ in range(times):
        current.begin(headers)
        seen.inferred(asked, outcome)
    return (time.thread_time() - started) / times * 1e6


def main() -> None:
    named = {b"x-request-id": b"r1"}
    with tempfile.TemporaryDirectory() as folder:
        log = RequestLog(Path(folder) / "requests", 1.0)
        for what, declared, headers, times in (
            ("defaults, no id", Declared(), {}, 20_000),
            ("defaults, an id", Declared(), named, 20_000),
            ("sketched", Declared(65_536, 0), {}, 3000),
            ("logged", Declared(0, 0, log), {}, 3000),
        ):
            print(f"{what:20} {microseconds(declared, headers, times=times):8.2f} us")


if __name__ == "__main__":
    main()
