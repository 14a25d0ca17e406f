"""Small models to publish: the demo's task, trained here in seconds; nothing is downloaded."""

import subprocess
import sys
from pathlib import Path

from deploy.demo import models

ROOT = Path(__file__).resolve().parents[1]
INPUT = [float(number % 17) for number in range(64)]  # one picture, grey values 0..16


def onnx(folder: Path, *, seed: int) -> Path:
    """The folder of an ONNX classifier; each seed gives another one."""
    target = folder / f"onnx-{seed}"
    images, _, labels, _ = models.splits()
    models.train_onnx(images, labels, target, seed=seed)
    return target


def saved_model(folder: Path) -> Path:
    """The folder of a TensorFlow SavedModel of the same task.

    Trained in a process of its own, since TensorFlow would stay in this one's memory.
    """
    target = folder / "saved-model"
    program = (
        "import pathlib, sys; from deploy.demo import models; "
        "images, _, labels, _ = models.splits(); "
        "models.train_saved_model(images, labels, pathlib.Path(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(target)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return target
