"""Acceptance on 10,000 samples, out of an npz file to the verdict, against a client that only asks.

Both speak to the same runtime over one connection in binary tensors; the client has its requests
ready before its time begins, and looks at no answer. What is more is parsing, metrics and bounds.
"""

import http.client
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bench import networks, publishing, questions, registries, runtimes
from bench.figures import Bar, Row, ratio_under
from bench.load import Asked
from bench.runtimes import Version
from reconciler import acceptance
from reconciler.core import golden
from reconciler.core.kinds.template import AcceptanceSpec
from reconciler.engines.protocol import Endpoint, Trials
from reconciler.trials.subject import Subject, Target

_AREA = "acceptance"
_SAMPLES, _BATCH = 10_000, 256
_ROUNDS = 3
_METRICS = {"accuracy": {"min": 0.0}, "f1": {"min": 0.0}, "auroc": {"min": 0.0}}


def rows(folder: Path) -> Iterator[Row]:
    """A model whose engine is nearly all of it, and a perceptron, where it is least."""
    tabular = networks.tabular(folder / "tabular")
    perceptron = networks.perceptron(folder / "perceptron")
    with registries.running(folder) as registry:
        versions = [_published(registry, path) for path in (tabular, perceptron)]
        with runtimes.running(registry, *versions, folder=folder / "runtime") as runtime:
            yield _row(runtime, "tabular", networks.FEATURES, bar=ratio_under(1.2))
            yield _row(runtime, "perceptron", networks.PIXELS, bar=None)


def _published(registry: registries.Running, folder: Path) -> Version:
    digest = publishing.publish(registry, folder, model=folder.name, version=1, form="onnx")
    return Version(folder.name, 1, digest, "onnx")


def _row(runtime: runtimes.Running, name: str, size: int, *, bar: Bar | None) -> Row:
    port, server = runtime.port, runtime.process.pid
    draw = np.random.default_rng(1)
    samples = draw.standard_normal((_SAMPLES, size), dtype=np.float32)
    labels = draw.integers(0, 10, _SAMPLES)
    file = io.BytesIO()
    np.savez(file, x=samples, label=labels)
    spec, subject = _spec(size), _subject(port, name)
    bodies = [
        questions.as_binary(port, name, samples[start : start + _BATCH])
        for start in range(0, _SAMPLES, _BATCH)
    ]

    def tested() -> None:
        acceptance.run(spec, golden.read(file.getvalue(), spec), subject, template="golden")

    def asked() -> None:
        _ask(port, bodies)

    mine, theirs, model = [], [], []
    for _ in range(_ROUNDS):
        mine.append(_seconds(tested, server)[0])
        own, served = _seconds(asked, server)
        theirs.append(own)
        model.append(served)
    floor = statistics.median(theirs) + statistics.median(model)
    return Row(
        _AREA,
        f"{name}: {_SAMPLES:,} samples, npz to verdict, beside the model's own time",
        statistics.median(mine),
        "CPU s",
        "a client that only asks, and the model",
        1 + (statistics.median(mine) - statistics.median(theirs)) / floor,
        bar,
    )


def _spec(size: int) -> AcceptanceSpec:
    dataset = {
        "path": "models.d/datasets/bench.npz",
        "digest": "sha256:" + "0" * 64,
        "label": "label",
        "inputs": [{"columns": ["x"], "dtype": "float32", "shape": [size]}],
    }
    document = {"dataset": dataset, "metrics": _METRICS, "minimumSamples": 1}
    return AcceptanceSpec.model_validate(document)


def _subject(port: int, name: str) -> Subject:
    def nobody(_: str) -> Target:
        raise NotImplementedError

    def nowhere() -> Trials:
        raise NotImplementedError

    target = Target(name, 1, Endpoint(f"http://127.0.0.1:{port}", {}), "")
    return Subject(name, "", target, None, nobody, lambda: 0, nowhere)


def _ask(port: int, bodies: list[Asked]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for one in bodies:
        connection.request("POST", one.path, one.body, dict(one.headers))
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{one.path} answered {answer.status}")
    connection.close()


def _seconds(work: Callable[[], None], server: int) -> tuple[float, float]:
    """Processor time of this process and of the server: the clock on the wall tells of others."""
    before = time.process_time(), _spent(server)
    work()
    return time.process_time() - before[0], _spent(server) - before[1]


def _spent(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
