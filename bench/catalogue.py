"""The catalogue on one database, against MLflow on the same: create, get and search versions."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import (
    creating,
    getting,
    mlflow,
    mlflow_rows,
    population,
    publishing,
    registries,
    searching,
    seeding,
    sides,
)
from bench.figures import Row
from registry.core.canonical import Json

_FEW, _MANY = 10_000, 100_000
_PROTOTYPE = ("prototype", 1)
_SAID: Mapping[str, Json] = {
    "description": "The version that all others are copies of",
    "owner": "risk@example.org",
    "licence": "Apache-2.0",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "repository": "https://git.example.org/risk/training",
    "metrics": {"accuracy": 0.93, "loss": 0.21},
    "parameters": {"epochs": "30", "learningRate": "0.01"},
    "datasets": [{"name": "digits", "digest": f"sha256:{1:064x}"}],
}


def rows(
    installation: registries.Installation, peer: mlflow.Running, *, name: str, model: Path
) -> Iterator[Row]:
    """Create, get and search at 10,000 versions on both sides; then ours at 100,000.

    `name` is the database's; `model` is the folder of a small ONNX model.
    """
    run = peer.begin_run()
    mlflow_rows.fill(peer, population.members(0, _FEW), run=run)
    with registries.started(installation) as registry:
        _publish_prototype(registry, model)
        _fill(installation, 0, _FEW)
        yield from creating.rows(registry, peer, run, name=name, model=model)
        with sides.connected(registry, peer) as both:
            yield from getting.rows(name, _FEW, both)
            yield from searching.rows(name, _FEW, both)
        _fill(installation, _FEW, _MANY)
        with sides.connected(registry, None) as ours:
            yield from getting.rows(name, _MANY, ours)
            yield from searching.rows(name, _MANY, ours)


def _publish_prototype(registry: registries.Running, model: Path) -> None:
    name, version = _PROTOTYPE
    with registry.client() as client:
        files = publishing.upload(client, model)
        document = publishing.body(registry, files, model=name, version=version, form="onnx")
        client.publish(name, document | {"metadata": dict(_SAID)})


def _fill(installation: registries.Installation, start: int, stop: int) -> None:
    """Past the API; all that the registry does meanwhile is to wait."""
    key = installation.data / "keys" / "log.pem"
    members = population.members(start, stop)
    seeding.fill(installation.database_url, key, members, like=_PROTOTYPE)
