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


def microseconds(
    declared: Declared, headers: dict[bytes, bytes], *, times: int, match_s: float = 0
) -> float:
    """CPU time of this thread for one request, on average; `match_s` is for so long from now that
    somebody compares."""
    numbers = np.random.default_rng(1)
    asked = Asked("serving_default", {"x": numbers.random((1, 784), dtype=np.float32)})
    outcome = Outcome({"y": numbers.random((1, 10), dtype=np.float32)}, Times(1, 1, 1, 1))
    seen = Observatory(declared, host="h").of(_PIN)
    if seen.ring is not None:
        seen.ring.match(match_s)
    started = time.thread_time()
    for _ in range(times):
        current.begin(headers)
        seen.inferred(asked, outcome)
    return (time.thread_time() - started) / times * 1e6


def main() -> None:
    named = {b"x-request-id": b"r1"}
    with tempfile.TemporaryDirectory() as folder:
        log = RequestLog(Path(folder) / "requests", 1.0)
        for what, declared, headers, times, match_s in (
            ("defaults, no id", Declared(), {}, 20_000, 0),
            ("defaults, an id", Declared(), named, 20_000, 0),
            ("compared, no id", Declared(), {}, 20_000, 600),
            ("sketched", Declared(65_536, 0), {}, 3000, 0),
            ("logged", Declared(0, 0, log), {}, 3000, 0),
        ):
            spent = microseconds(declared, headers, times=times, match_s=match_s)
            print(f"{what:20} {spent:8.2f} us")


if __name__ == "__main__":
    main()
