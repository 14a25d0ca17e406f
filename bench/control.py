"""The log over HTTP, and how large the registry's documents are."""

import itertools
import sqlite3
import statistics
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bench import publishing, registries, repeating
from bench.figures import Row
from registry.cli.client import Client
from registry.core import canonical

_AREA = "registry"
_MODEL = "latency"
_APPENDS = 200
_BATCHES = 5
_PROOFS = 101


def rows(registry: registries.Running, folder: Path, model: Path) -> Iterator[Row]:
    """`model` is the folder of a small ONNX model, for there to be a version."""
    publishing.publish(registry, model, model=_MODEL, version=1, form="onnx")
    client = registry.client()
    yield _appended(client, folder)
    yield _proven(client)
    yield from _sizes(client)


def _appended(client: Client, folder: Path) -> Row:
    """Events into the log over HTTP, one after the other, each signed and durable.

    The cost of one grows with the logarithm of the log's size.
    """

    def append() -> float:
        return repeating.seconds(lambda: _append(client))

    with closing(plain_database(folder / "plain.db")) as database:
        found = repeating.compared(append, lambda: commit(database, _APPENDS), repetitions=_BATCHES)
    return Row(
        _AREA,
        "log entries appended over HTTP, one client",
        _APPENDS / found.seconds,
        "1/s",
        f"SQLite commits of one row, synced: {_APPENDS / found.reference_seconds:.0f} /s",
        ratio=found.speed_ratio,
    )


def _append(client: Client) -> None:
    for _ in range(_APPENDS):
        event = {"id": str(uuid.uuid4()), "kind": "deployed", "reason": "a figure is measured"}
        client.call("POST", "/v1/events", canonical.encode(event))


def plain_database(path: Path) -> sqlite3.Connection:
    """A table of leaves and nothing else, as durable as the registry's database."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE entries (leaf BLOB)")
    return database


def commit(database: sqlite3.Connection, count: int) -> float:
    """Seconds for so many transactions of one row each, every one synced."""

    def insert() -> None:
        for _ in range(count):
            database.execute("INSERT INTO entries VALUES (randomblob(200))")

    return repeating.seconds(insert)


def _proven(client: Client) -> Row:
    """An inclusion proof over HTTP; grows with the logarithm of the log's size."""
    size = int(client.checkpoint().splitlines()[1])
    turns = itertools.count()

    def prove() -> None:
        client.call("GET", f"/log/proof/{next(turns) * 7 % size}")

    took = repeating.median_seconds(prove, repetitions=_PROOFS)
    return Row(_AREA, f"inclusion proof over HTTP, log of {size} entries, p50", took * 1e3, "ms")


def _sizes(client: Client) -> Iterator[Row]:
    """The pull envelope grows with the number of files and the logarithm of the log's size."""
    envelope = client.envelope(_MODEL, 1)
    yield Row(_AREA, "pull envelope of a one-file version", len(envelope) / 1024, "KiB")
    leaves = client.log_page(0, 1000).leaves
    median = statistics.median(len(leaf) for _, leaf in leaves)
    yield Row(_AREA, "log entry, median", median, "bytes")
