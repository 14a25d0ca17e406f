"""How fast weights are marked, beside copying and beside hashing the same bytes.

In processor time of one thread, which is what "a second per core" means, and which another program
on the machine changes least.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from bench import figures, repeating
from bench.figures import Of, Row, Sign
from bench.watermark import tables
from bench.watermark.tables import Table
from registry.core.watermark import keys
from registry.core.watermark.embedding import Marker
from registry.core.watermark.scheme import Tensor

_AREA = "watermark"
_BLOCK = 1 << 20
_WEIGHTS = 1 << 24
_ROUNDS = 7
_BAR = 200.0  # millions a second
_HEAD = ("type", "million weights/s", "copy", "mark : copy", "sha256", "mark : sha256")
_TYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}


def rows() -> Iterator[Row]:
    """One row a type and reference."""
    lines = []
    key = keys.version_key(bytes(32), f"sha256:{'0' * 64}").copy_key("host-0")
    marker = Marker(key, 0.02)
    for dtype, stored in _TYPES.items():
        values = np.random.default_rng(1).normal(0, 0.05, _WEIGHTS).astype(np.float32)
        held = (values.view(np.uint32) >> 16).astype(np.uint16) if dtype == "bfloat16" else values
        held = held.astype(stored)
        bar = figures.Bar(Of.VALUE, Sign.AT_LEAST, _BAR) if dtype == "float32" else None
        mark = partial(_marked, marker, Tensor("w", dtype, (_WEIGHTS,)), held)
        found = repeating.in_turns(
            {"mark": mark, "copy": _copying(held), "sha256": _hashing(held)}, repetitions=_ROUNDS
        )
        rate = _WEIGHTS / found.seconds("mark") / 1e6
        line = [dtype, f"{rate:.0f}"]
        for reference in ("copy", "sha256"):
            ratio = found.speed_ratio("mark", reference)
            said = f"{held.nbytes / found.seconds(reference) / 1e6:,.0f} MB/s"
            line += [said, f"{ratio:.2f}"]
            yield Row(
                _AREA,
                f"weights marked, {dtype}, one thread",
                rate,
                "million/s",
                f"{reference} of the same bytes, {said}",
                ratio=ratio,
                bar=bar if reference == "sha256" else None,
            )
        lines.append(line)
    tables.keep(Table("speed", _HEAD, lines))


def _marked(marker: Marker, tensor: Tensor, held: np.ndarray) -> float:
    def work() -> None:
        for start in range(0, len(held), _BLOCK):
            marker.mark(tensor, start, held[start : start + _BLOCK])

    return _thread_seconds(work)


def _thread_seconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def _copying(held: np.ndarray) -> Callable[[], float]:
    target = np.empty_like(held)

    def work() -> None:
        for start in range(0, len(held), _BLOCK):
            target[start : start + _BLOCK] = held[start : start + _BLOCK]

    return partial(_thread_seconds, work)


def _hashing(held: np.ndarray) -> Callable[[], float]:
    content = held.tobytes()
    return partial(_thread_seconds, lambda: hashlib.sha256(content).digest())
