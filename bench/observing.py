"""What observing costs the event loop for each request: python -m bench.observing."""

import tempfile
import time
from pathlib import Path

import numpy as np

from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome, Times
from runtime.observation import Declared, RequestLog
from runtime.observing import current
from runtime.observing.histograms import Wanted
from runtime.observing.observatory import Observatory
from runtime.observing.outcomes import Judged

_PIN = Pin("m", 7, "sha256:" + "7" * 64, "onnx", active=True)


def microseconds(
    declared: Declared,
    headers: dict[bytes, bytes],
    *,
    times: int,
    match_s: float = 0,
    bins: int = 0,
    judged: Judged | None = None,
) -> float:
    """CPU time of this thread for one request, on average; `match_s` is for so long from now that
    somebody compares, `bins` are watched columns, `judged` is what labels are awaited for. Ids are
    all different where there are any."""
    numbers = np.random.default_rng(1)
    asked = Asked("serving_default", {"x": numbers.random((1, 784), dtype=np.float32)})
    outcome = Outcome({"y": numbers.random((1, 10), dtype=np.float32)}, Times(1, 1, 1, 1))
    seen = Observatory(declared, host="h").of(_PIN)
    if seen.ring is not None:
        seen.ring.match(match_s)
    for column in range(bins):
        edges = tuple(place / 10 for place in range(1, 10))
        seen.histogram(Wanted("input", "x", column, edges=edges), seconds=600)
    if judged is not None:
        seen.judged(judged, seconds=600)
    started = time.thread_time()
    for number in range(times):
        current.begin({name: b"%s%d" % (said, number) for name, said in headers.items()})
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
            print(f"{what:32} {spent:8.2f} us")
    awaited = Judged("y", "class")
    spent = microseconds(Declared(), {}, times=20_000, bins=10)
    print(f"{'ten columns watched, no id':32} {spent:8.2f} us")
    whole = microseconds(Declared(65_536, 0), {}, times=3000, bins=10)
    spent = whole - microseconds(Declared(65_536, 0), {}, times=3000)
    print(f"{'counted in ten columns bins':32} {spent:8.2f} us")
    spent = microseconds(Declared(0, 1), named, times=20_000, judged=awaited)
    spent -= microseconds(Declared(0, 1), named, times=20_000)
    print(f"{'remembered for a label':32} {spent:8.2f} us")


if __name__ == "__main__":
    main()
