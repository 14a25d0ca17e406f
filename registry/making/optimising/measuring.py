"""What a model answers, takes and weighs, found out in a process that does nothing else."""

import time
from pathlib import Path

import numpy as np

from registry.core.canonical import Json
from registry.making.optimising import asking, samples
from registry.making.optimising.asking import Asked
from registry.making.optimising.samples import Array, Samples

_ROUNDS = 20
_WARM = 10


def answers(
    model: Path, golden: Path, *, label: str, output: str | None, batch: int, target: Path
) -> dict[str, Json]:
    """The class of each golden sample, to `target` (.npy), and how much this process grew.

    Asked in batches as they are served, since what is quantised as it runs depends on them.
    """
    # What the data takes is no part of it: read once by a model that is gone again.
    given, wanted = _data(model, golden, label, output)
    before = _reset_peak()
    asked = asking.load(model, output)
    found = asking.classes(asked.scores(given, batch))
    grown = max(0, _status("VmHWM") - before)
    np.savez(target, found=found, wanted=wanted)
    return {"memoryBytes": grown, "sizeBytes": model.stat().st_size, "nonzero": _nonzero(model)}


def latency(  # noqa: PLR0913
    before: Path, after: Path, golden: Path, *, output: str | None, batch: int, requests: int,
    threads: int,
) -> dict[str, Json]:  # fmt: skip
    """Both in turns in one process, each round beginning with the other, on golden samples."""
    first, second = (asking.load(one, output, threads=threads) for one in (before, after))
    given = samples.read(golden, first.inputs, None)
    batches = list(given.batches(first.fixed or batch))[:64]
    each = max(1, requests // _ROUNDS)
    taken: tuple[list[Array], list[Array]] = ([], [])
    for model in (first, second):
        _timed(model, batches, _WARM)
    for number in range(_ROUNDS):
        turn = (0, 1) if number % 2 else (1, 0)
        for which in turn:
            taken[which].append(_timed((first, second)[which], batches, each))
    ratios = [np.median(b) / np.median(a) for a, b in zip(*taken, strict=True)]
    p50, p95 = np.percentile(np.concatenate(taken[1]), [50, 95])
    return {"p50": float(p50), "p95": float(p95), "ratio": float(np.median(ratios))}


def _timed(model: Asked, batches: list[dict[str, Array]], count: int) -> Array:
    """Milliseconds of each of `count` requests."""
    found = np.empty(count)
    for number in range(count):
        given = batches[number % len(batches)]
        start = time.perf_counter()
        model.run(given)
        found[number] = 1000 * (time.perf_counter() - start)
    return found


def _data(model: Path, golden: Path, label: str, output: str | None) -> tuple[Samples, Array]:
    given = samples.read(golden, asking.load(model, output).inputs, label)
    if given.labels is None:
        raise AssertionError  # a label was asked for
    return given, given.labels


def _reset_peak() -> int:
    """Forget the highest memory until now (proc(5), clear_refs); returns what is taken now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _status(name: str) -> int:
    """A size of this process, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)


def _nonzero(model: Path) -> float:
    """The share of weights that are not 0, of those kept as floats or as int8."""
    from registry.making.optimising import layers  # noqa: PLC0415  its memory must not count

    counted = [
        (int(np.count_nonzero(one)), one.size)
        for one in layers.arrays(model)
        if one.ndim >= 2 and (one.dtype.kind == "f" or one.dtype == np.int8)
    ]
    total = sum(size for _, size in counted)
    return sum(count for count, _ in counted) / total if total else 1.0
