"""How long it takes to create a version, against MLflow's create_model_version."""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice, repeat
from pathlib import Path

from bench import figures, mlflow, models, publishing, registries, repeating, wire
from bench.figures import Row
from registry.core import canonical

_AREA = "registry"
_ROUNDS = 5
_CALLS = 15
_NAME = "created"
_STORED, _NEW, _MLFLOW = "stored", "new", "mlflow"
_PATH = f"/v1/models/{_NAME}/versions"


def rows(
    registry: registries.Running, peer: mlflow.Running, run: mlflow.Run, *, name: str, model: Path
) -> Iterator[Row]:
    """One client on a kept-alive connection; each call is durable before it is answered.

    MLflow looks at no file: it creates a row that names a place. Like it is a version over
    content that the registry has looked at before; still its signature is checked, its manifest
    built and signed, and entry and checkpoint of the log written. New content is also inspected
    in a process of its own, which grows with the size of the model's structure. Both grow with
    the number of files and the logarithm of the log's size. Its files are uploaded before.
    """
    peer.create_model(_NAME)
    theirs = {"name": _NAME, "source": f"{run.artifacts}/model", "run_id": run.id}
    with wire.connected(registry.url, registry.headers) as link, wire.connected(peer.url) as other:
        create = partial(link.call, "POST", _PATH)
        other_create = partial(other.call, "POST", f"{mlflow.API}/model-versions/create")
        contenders = {
            _STORED: _batches(create, repeat(_body(registry, model))),
            _NEW: _batches(create, _different(registry, model)),
            _MLFLOW: _batches(other_create, repeat(canonical.encode(theirs))),
        }
        for contender in contenders.values():
            contender()
        turns = repeating.in_turns(contenders, repetitions=_ROUNDS)
    reference = f"MLflow's create_model_version: {turns.seconds(_MLFLOW) * 1e3:.1f} ms"
    for key, what, bar in (
        (_STORED, "content that is known", figures.at_least(4)),
        (_NEW, "new content, inspected", None),
    ):
        yield Row(
            _AREA,
            f"{name}: create a version over {what}, p50",
            turns.seconds(key) * 1e3,
            "ms",
            reference,
            ratio=turns.speed_ratio(key, _MLFLOW),
            bar=bar,
        )


def _batches(call: Callable[[bytes], object], bodies: Iterator[bytes]) -> Callable[[], float]:
    """The median seconds of the next calls."""

    def batch() -> float:
        coming = islice(bodies, _CALLS)
        return statistics.median(repeating.seconds(partial(call, body)) for body in coming)

    return batch


def _body(registry: registries.Running, model: Path) -> bytes:
    """What to post in order to publish what is in the folder `model`, under the next number."""
    with registry.client() as client:
        files = publishing.upload(client, model)
    return canonical.encode(
        publishing.body(registry, files, model=_NAME, version=None, form="onnx")
    )


def _different(registry: registries.Running, model: Path) -> Iterator[bytes]:
    """The same for models that differ from `model` and from each other; made before, for all."""
    with tempfile.TemporaryDirectory(dir=registry.data) as folder:
        places = [Path(folder) / str(number) for number in range((1 + _ROUNDS) * _CALLS)]
        return iter(
            [_body(registry, models.described(model, place, place.name)) for place in places]
        )
