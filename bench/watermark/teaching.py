"""`python -m bench.watermark.teaching JOB.json`: teach a trained network its trigger set.

In a process of its own, like training. The key is that of the benchmark, so that others can ask.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

from bench.watermark import networks, tasks, training
from registry.cli import trigger_training

KEY = bytes(range(32))
_OWN_INPUTS = 2000


def main(described: Path) -> None:
    """Do one job: `teach` with a sample of inputs without labels, `teach-blind` with none."""
    job = json.loads(described.read_text(encoding="utf-8"))
    keras.utils.set_random_seed(job["seed"])
    kind = job["kind"]
    model = networks.NETWORKS[kind]()
    with np.load(job["start"]) as start:
        training.assign(model, start)
    inputs = tasks.TASKS[kind]().trained
    own = inputs[:: len(inputs) // _OWN_INPUTS] if job["work"] == "teach" else None
    triggers = trigger_training.triggers(model, values=(0.0, 1.0), count=60)
    trigger_training.teach(model, KEY, triggers, seed=1, inputs=own)
    np.savez(job["target"], **training.named_weights(model))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
