"""What an audit costs: export and verification of a whole log with its evidence, by the program.

Both are the program that users start, from its start to its end. They grow linearly with the
log; the memory they need does not.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import audit_log, processes, publishing, registries
from bench.figures import Row, at_most, under
from registry import errors

_AREA = "trust"
_SIZES = (10_000, 100_000)
_PROTOTYPE = ("digits", 1)
_REPETITIONS = 3
_BAR_S = 10.0
_BAR_GROWTH = 1.5
_MIB = 1024


@dataclass(frozen=True, slots=True)
class _Run:
    seconds: float
    peak_mib: float


def rows(folder: Path, model: Path) -> Iterator[Row]:
    """At 10,000 and 100,000 entries, of which 2 in 100 are publications with four documents."""
    installation = registries.installed(folder)
    peaks: dict[str, list[float]] = {"export": [], "verify": []}
    with registries.started(installation) as registry:
        publishing.publish(registry, model, model=_PROTOTYPE[0], version=_PROTOTYPE[1], form="onnx")
        for size in _SIZES:
            audit_log.fill(installation, size, like=_PROTOTYPE)
            bundle = folder / f"{size}.tar"
            for name, command in _commands(registry, bundle).items():
                taken = [_timed(command) for _ in range(_REPETITIONS)]
                peaks[name].append(max(one.peak_mib for one in taken))
                yield _row(name, size, taken, bundle)
    for name, (few, many) in peaks.items():
        yield Row(
            _AREA,
            f"memory of audit {name} at {_SIZES[1]:,} entries",
            many,
            "MiB",
            f"at {_SIZES[0]:,} entries: {few:.0f} MiB",
            ratio=many / few,
            bar=at_most(few * _BAR_GROWTH),
        )


def _commands(registry: registries.Running, bundle: Path) -> dict[str, Sequence[str]]:
    trust = ("--trust", str(registry.trust_file))
    server = ("--server", registry.url, "--token-file", str(registry.token_file))
    audit = (processes.PLIMSOLL, "audit")
    return {
        "export": (*audit, "export", "--out", str(bundle), *trust, *server),
        "verify": (*audit, "verify", str(bundle), *trust),
    }


def _row(name: str, size: int, taken: Sequence[_Run], bundle: Path) -> Row:
    return Row(
        _AREA,
        f"audit {name}, {size:,} entries",
        statistics.median(one.seconds for one in taken),
        "s",
        f"a bundle of {bundle.stat().st_size / 1e6:.0f} MB",
        bar=under(_BAR_S) if size == _SIZES[-1] else None,
    )


def _timed(command: Sequence[str]) -> _Run:
    """One run of the program; raises where it fails."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise errors.Unavailable(f"{' '.join(command)}: {said.decode(errors='replace')[:2000]}")
    return _Run(took, usage.ru_maxrss / _MIB)
