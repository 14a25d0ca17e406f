"""A registry with a bit of everything in it, and places to restore it to."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from registry.core.canonical import Json
from registry.core.facts import Dataset, Facts, Parent, Relation
from registry.core.retention import Rule
from registry.db import dump
from registry.settings import Settings
from registry.store.archive import Archive
from registry.usecases import aliases, backup, erasure, holds, restore, retention, sweep, transfers
from registry.usecases.aliases import Move
from registry.usecases.backup import BackedUp
from registry.usecases.opening import Registry
from registry.usecases.restore import Restored, Wish
from tests.registry.keeping import (
    AT_ONCE,
    ROOT,
    deploy,
    publish_one,
    publish_some,
    report,
    with_rules,
)
from tests.registry.publishing import Publisher

SAID = Facts(
    description="an ‘honest’ model\nof digits",
    owner="risk@example.org",
    licence="Apache-2.0",
    tags={"team": "risk", "näme": "Überraschung"},
    metrics={"accuracy": 0.1 + 0.2, "loss": 5e-324},
    parameters={"depth": "12"},
    datasets=(Dataset("train", "sha256:" + "a" * 64, "s3://data/people.csv"),),
    parents=(Parent(Relation.FINE_TUNED, "digits", 1),),
)


def fill(registry: Registry, alice: Publisher) -> None:
    """Version 1 has expired, 2 is erased, 3 is on hold, 4 is deployed and aliased."""
    publish_some(registry, alice, 2)
    publish_one(registry, alice, 3, said=SAID)
    publish_one(registry, alice, 4)
    aliases.move(registry, Move("digits", "champion", 4, "best so far"), ROOT)
    holds.place(registry, model="digits", version=3, reason="case 2026-114", by=ROOT)
    erasure.erase(registry, model="digits", version=2, reason="DSR 7", by=ROOT)
    ruled = with_rules(registry, Rule("*", keep_days=1))
    retention.apply(ruled, retention.plan(ruled), ROOT)
    sweep.sweep(registry, AT_ONCE)
    deploy(registry, 4)
    report(registry, "deployed", 4)
    transfers.put(registry, b"uploaded, and not yet published")


def back_up(registry: Registry, target: Path, *, with_keys: bool = True) -> BackedUp:
    return backup.backup(registry, target, with_keys=with_keys, by=ROOT)


def put_back(
    source: Path, data_dir: Path, *, database_url: str = "", storage: str = ""
) -> Restored:
    settings = Settings(data_dir=data_dir, database_url=database_url, storage=storage)
    return restore.restore(settings, Wish(Archive(source)), ROOT)


def all_rows(registry: Registry) -> dict[str, list[list[Json]]]:
    """Every row of every table."""
    with registry.database.reading() as session:
        return {name: list(dump.rows(session, name)) for name in dump.tables()}


def all_bytes(registry: Registry) -> dict[str, bytes]:
    async def content(digest: str) -> bytes:
        size = registry.blobs.size(digest) or 0
        return b"".join([block async for block in registry.blobs.read(digest, 0, size)])

    return {digest: asyncio.run(content(digest)) for digest in registry.blobs.digests()}


def during(work: Callable[[], object], *, phase: str) -> Callable[[str, int, int], None]:
    """A progress callback that does `work` once, at the beginning of a phase."""
    left = [work]

    def progress(current: str, _done: int, _total: int) -> None:
        if current == phase and left:
            left.pop()()

    return progress


def with_blobs(registry: Registry, blobs: object) -> Registry:
    """The same registry over another store."""
    return replace(registry, blobs=blobs)  # type: ignore[arg-type]
