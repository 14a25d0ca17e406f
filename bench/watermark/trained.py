"""The trained networks, each trained once for each version of the code that trains it.

They lie under .build/watermark, named by a digest of that code and of what they start from.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bench.watermark import graphs, tasks
from bench.watermark.tasks import Array, Task

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".build" / "watermark"
_HERE = Path(__file__).parent
_TRAINING = [_HERE / name for name in ("tasks.py", "networks.py", "training.py")]
_TEACHING = [ROOT / "registry" / "cli" / "trigger_training.py", _HERE / "teaching.py"]
_SECONDS = 600
Weights = dict[str, Array]
Said = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Trained:
    """One network with its weights and what it is asked."""

    kind: str
    weights: Weights
    task: Task

    @property
    def answers(self) -> Array:
        """The label that it gives to each asked input."""
        return answers(self.kind, self.weights, self.task)


def answers(kind: str, weights: Weights, task: Task) -> Array:
    """The label that a network with these weights gives to each asked input."""
    return graphs.logits(graphs.onnx_of(kind, weights), task.asked).argmax(axis=1)


@cache
def task(kind: str) -> Task:
    """What a kind of network is asked, prepared once a run."""
    return tasks.TASKS[kind]()


@cache
def trained(kind: str) -> Trained:
    """The network, trained here unless it lies there."""
    return Trained(kind, after("train", kind, {}), task(kind))


def after(work: str, kind: str, start: Weights, *, epochs: int = 0, seed: int = 1) -> Weights:
    """The weights after `work` (train, fine-tune, distil) that started from `start`."""
    KEPT.mkdir(parents=True, exist_ok=True)
    said: Said = {"work": work, "kind": kind, "epochs": epochs, "seed": seed}
    target = KEPT / f"{kind}-{work}-{named(said, start, _code(work))}.npz"
    if not target.exists():
        _run(said, start, target)
    with np.load(target) as archive:
        return dict(archive)


def exported(kind: str, weights: Weights, target: Path) -> None:
    """The network as a TensorFlow SavedModel in the folder `target`."""
    KEPT.mkdir(parents=True, exist_ok=True)
    _run({"work": "export", "kind": kind, "epochs": 0, "seed": 1}, weights, target)


def _code(work: str) -> list[Path]:
    """What a job's outcome depends on; the last is the program that does it."""
    return _TRAINING + (_TEACHING if work.startswith("teach") else [])


def named(said: Said, start: Weights, code: Sequence[Path]) -> str:
    """A name that changes with the job, what it starts from, and the code that does it."""
    hashed = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for path in code:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        hashed.update(ast.dump(tree).encode())  # not its comments, nor its layout
    for name, values in sorted(start.items()):
        hashed.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return hashed.hexdigest()[:16]


def _run(said: Said, start: Weights, target: Path) -> None:
    """Train in a process of its own, since TensorFlow would stay in this one's memory."""
    mine = f"{os.getpid()}-{threading.get_ident()}"
    begun = KEPT / f"start-{mine}.npz"
    unfinished = target.with_name(f"unfinished-{mine}{target.suffix}")
    if start:
        np.savez(begun, **start)
    job = begun.with_suffix(".json")
    described = {**said, "start": str(begun) if start else "", "target": str(unfinished)}
    module = f"bench.watermark.{_code(str(said['work']))[-1].stem}"
    job.write_text(json.dumps(described), encoding="utf-8")
    try:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", module, str(job)],
            cwd=ROOT, check=True, timeout=_SECONDS, capture_output=True,
        )  # fmt: skip
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
        begun.unlink(missing_ok=True)
        job.unlink(missing_ok=True)
