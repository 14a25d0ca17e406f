"""Sweeping while others store, refer, erase, or pull the plug: no referenced byte is ever lost."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from registry import errors
from registry.core.retention import Rule
from registry.db.tables import READY, Blob, File, Variant, Version
from registry.settings import Settings
from registry.store.blobs import BlobStore
from registry.usecases import erasure, opening, retention, sweep, transfers
from registry.usecases.opening import Registry
from tests.registry.keeping import (
    AT_ONCE,
    ROOT,
    digests_of,
    files_of,
    publish_one,
    publish_some,
    stored,
    with_rules,
)
from tests.registry.publishing import Publisher, digest_of
from tests.registry.sweeping import killed

CONTENTS = (1, 2, 3)


class PowerCut(Exception):
    """What ends a run in its middle."""


class Fuse:
    """Blows at the step it was set to."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise PowerCut


class Unreliable:
    """A blob store in which every removal, before and after, may be the last that is done."""

    def __init__(self, blobs: BlobStore, fuse: Fuse) -> None:
        self._blobs = blobs
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    def delete(self, digest: str) -> None:
        self._fuse.step()
        self._blobs.delete(digest)
        self._fuse.step()


@contextmanager
def blowing(registry: Registry, steps: int) -> Iterator[Registry]:
    """The registry, with the power off after so many removals and commits."""
    fuse = Fuse(steps)
    event.listen(Session, "before_commit", fuse.step)
    try:
        yield replace(registry, blobs=Unreliable(registry.blobs, fuse))
    finally:
        event.remove(Session, "before_commit", fuse.step)


def is_cut(work: Callable[[], object]) -> bool:
    try:
        work()
    except PowerCut:
        return True
    return False


def require_all_bytes(registry: Registry) -> set[str]:
    """Every version that is ready has its bytes, and a row that nobody condemned."""
    with registry.database.reading() as session:
        wanted = set(
            session.scalars(
                select(File.digest)
                .join(Variant, Variant.id == File.variant_id)
                .join(Version, Version.id == Variant.version_id)
                .where(Version.status == READY)
            )
        )
        safe = set(session.scalars(select(Blob.digest).where(Blob.condemned_at.is_(None))))
    assert wanted <= stored(registry)
    assert wanted <= safe
    for digest in wanted:
        assert digest_of(registry.blobs.local(digest, Path()).read_bytes()) == digest
    return wanted


def rows(registry: Registry) -> set[str]:
    with registry.database.reading() as session:
        return set(session.scalars(select(Blob.digest)))


def test_a_sweep_that_is_cut_off_anywhere_is_finished_by_the_next(
    registry: Registry, alice: Publisher
) -> None:
    publish_some(registry, alice, 2)
    steps = cuts = 0
    was_cut = True
    while was_cut:
        steps += 1
        for name in ("one", "two"):
            transfers.put(registry, f"{name} of {steps}".encode())
        registry.blobs.put(b"unlisted", digest_of(b"unlisted"))
        with blowing(registry, steps) as unreliable:
            was_cut = is_cut(lambda: sweep.sweep(unreliable, AT_ONCE))
        cuts += was_cut
        require_all_bytes(registry)
        for _ in range(2):
            sweep.sweep(registry, AT_ONCE)
        assert stored(registry) == rows(registry) == digests_of(1) | digests_of(2)
    assert cuts >= 7


def test_an_expiry_that_is_cut_off_anywhere_is_finished_by_the_next(
    registry: Registry, alice: Publisher
) -> None:
    publish_some(registry, alice, 2)
    ruled = with_rules(registry, Rule("*", keep_last=1))
    planned = retention.plan(ruled)
    with blowing(ruled, 1) as unreliable:
        assert is_cut(lambda: retention.apply(unreliable, planned, ROOT))
    require_all_bytes(registry)
    assert len(retention.apply(ruled, retention.plan(ruled), ROOT)) == 1
    sweep.sweep(registry, AT_ONCE)
    assert require_all_bytes(registry) == stored(registry) == digests_of(2)


def test_an_erasure_that_is_cut_off_anywhere_is_finished_by_the_next(
    registry: Registry, alice: Publisher
) -> None:
    publish_some(registry, alice, 1)
    steps, was_cut = 0, True
    while was_cut:
        steps += 1
        number = publish_one(registry, alice, 2).version

        def erase(target: Registry, version: int = number) -> None:
            erasure.erase(target, model="digits", version=version, reason="DSR", by=ROOT)

        with blowing(registry, steps) as unreliable:
            was_cut = is_cut(lambda: erase(unreliable))
        require_all_bytes(registry)
        erase(registry)
        assert stored(registry) == rows(registry) == digests_of(1)
    assert steps >= 4


def test_no_referenced_byte_is_lost_while_everybody_works_at_once(
    registry: Registry, alice: Publisher
) -> None:
    publish_some(registry, alice, 1)
    done = threading.Event()

    def use(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(12):
            act(registry, alice, chance)

    def keep_sweeping() -> None:
        while not done.is_set():
            sweep.sweep(registry, AT_ONCE)

    with ThreadPoolExecutor(6) as pool:
        sweepers = [pool.submit(keep_sweeping) for _ in range(2)]
        users = [pool.submit(use, seed) for seed in range(4)]
        wait(users)
        done.set()
    for worker in (*users, *sweepers):
        worker.result()
    wanted = require_all_bytes(registry)
    for _ in range(2):
        sweep.sweep(registry, AT_ONCE)
    assert require_all_bytes(registry) == wanted == stored(registry) == rows(registry)


def act(registry: Registry, alice: Publisher, chance: random.Random) -> None:
    """One of the things people do; being told to upload again, or that it is gone, is fine."""
    content = chance.choice(CONTENTS)
    match chance.choice(("upload", "mount", "publish", "publish", "erase")):
        case "upload":
            for data in files_of(content).values():
                transfers.put(registry, data)
        case "mount":
            for digest in digests_of(content):
                transfers.hold(registry, digest)
        case "publish":
            publish_until_stored(registry, alice, content)
        case "erase":
            number = chance.randint(2, 12)
            try:
                erasure.erase(registry, model="digits", version=number, reason="DSR", by=ROOT)
            except errors.NotFound:
                return


def publish_until_stored(registry: Registry, alice: Publisher, content: int) -> None:
    while True:
        try:
            publish_one(registry, alice, content)
        except errors.InvalidInput as error:
            assert "not been uploaded" in error.detail  # noqa: PT017  any other is a failure
        else:
            return


def test_a_killed_sweeper_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    alice = Publisher()
    settings = Settings(tmp_path)
    alice.list_in(settings.publishers_file)
    for moment in (0.06, 0.17, 0.4):
        killed(tmp_path, alice, after=moment)
        registry = opening.open_registry(settings)
        wanted = require_all_bytes(registry)
        assert wanted
        for _ in range(2):
            sweep.sweep(registry, AT_ONCE)
        assert require_all_bytes(registry) == wanted == stored(registry) == rows(registry)
        registry.close()


@pytest.mark.parametrize("failing", ["delete", "digests"])
def test_a_store_that_fails_ends_the_sweep_and_loses_nothing(
    registry: Registry, alice: Publisher, failing: str
) -> None:
    publish_some(registry, alice, 1)
    transfers.put(registry, b"stray")

    class Failing(Unreliable):
        def __getattr__(self, name: str) -> Any:
            if name == failing:
                raise errors.Unavailable("the object store does not answer")
            return super().__getattr__(name)

        def delete(self, digest: str) -> None:
            self.__getattr__("delete")(digest)

    broken = replace(registry, blobs=Failing(registry.blobs, Fuse(-1)))
    with pytest.raises(errors.Unavailable):
        sweep.sweep(broken, AT_ONCE)
    assert require_all_bytes(registry) == digests_of(1)
    sweep.sweep(registry, AT_ONCE)
    assert stored(registry) == digests_of(1)
