"""What leaves the cache's disk, and what must not: under the eyes of others, and after a crash."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from registry.core import envelope
from registry.core.envelope import Verified
from runtime import obtain
from runtime.cache import Cache, Copy
from runtime.config import Pin
from runtime.obtain import NotNow
from runtime.progress import Progress
from runtime.pull import Registry
from runtime.witness import Witness
from tests.core.publication import Publication
from tests.runtime.stand_in import TOKEN, StandIn

HOUR = 3600.0


def publication(content: bytes) -> Publication:
    return Publication({"a.bin": content})


def verified(published: Publication) -> Verified:
    found = envelope.verify(published.envelope(), published.trust, published.wanted)
    assert isinstance(found, Verified)
    return found


def admitted(cache: Cache, published: Publication) -> Copy:
    found = verified(published)
    folder = cache.incoming(published.wanted.digest, found.files)
    for path, content in published.contents.items():
        (folder / path).write_bytes(content)
    return cache.admit(found, published.envelope())


def name(published: Publication) -> str:
    return published.wanted.digest.removeprefix("sha256:")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def dated(folder: Path, ago: float) -> None:
    then = time.time() - ago
    os.utime(folder, (then, then))


def test_a_copy_that_is_being_looked_at_is_not_taken_away(tmp_path: Path) -> None:
    cache, one, other = Cache(tmp_path, keep=1), publication(b"one"), publication(b"other")
    copy = admitted(cache, one)
    copy.lease.close()
    file = copy.files / "a.bin"
    file.unlink()
    os.mkfifo(file)  # whoever looks stops here
    with ThreadPoolExecutor(1) as threads:
        looking = threads.submit(cache.check, one.wanted, one.trust)
        with file.open("wb") as its:
            admitted(cache, other).lease.close()
            its.write(b"one")
        found = looking.result()
    assert isinstance(found, Copy)
    assert found.files.exists()
    found.lease.close()


def test_the_permit_of_what_is_on_its_way_outlasts_another_that_arrives(tmp_path: Path) -> None:
    cache, arrives, coming = (
        Cache(tmp_path, keep=1),
        publication(b"arrives"),
        publication(b"coming"),
    )
    kept = {f"{name(coming)}.0123.json", f".{name(coming)}.0123.json.new"}
    for one in (*kept, f"{'a' * 64}.0123.json", f".{'a' * 64}.0123.json.new"):
        (tmp_path / "permits" / one).touch()
    with cache.pulling(coming.wanted.digest):
        admitted(cache, arrives).lease.close()
        assert names(tmp_path / "permits") == kept
    cache.incoming(coming.wanted.digest, verified(coming).files)  # and now it waits
    admitted(cache, publication(b"the next")).lease.close()
    assert names(tmp_path / "permits") == kept


def test_what_is_gone_leaves_nothing(tmp_path: Path) -> None:
    cache, last = Cache(tmp_path, keep=1), publication(b"last")
    for content in (b"first", b"second"):
        admitted(cache, publication(content)).lease.close()
    with cache.pulling(last.wanted.digest):
        admitted(cache, last).lease.close()
    cache.make_room(is_short=False)
    assert {one.partition(".")[0] for one in names(tmp_path / "locks")} == {name(last)}
    assert names(tmp_path / "incoming") == set()
    assert names(tmp_path / "versions") == {name(last)}


def test_a_removal_that_was_killed_is_finished(tmp_path: Path) -> None:
    cache = Cache(tmp_path, keep=1)
    left = tmp_path / "incoming" / f"{'a' * 64}.removed.01234567"
    (left / "files").mkdir(parents=True)
    (left / "files" / "a.bin").write_bytes(b"half")
    cache.make_room(is_short=False)
    assert names(tmp_path / "incoming") == set()


def test_only_pulls_that_nobody_tries_any_more_are_given_up(tmp_path: Path) -> None:
    cache = Cache(tmp_path, keep=1)
    pulls = {ago: publication(b"%d" % ago) for ago in (1, 20 * 60, 25 * 3600, 26 * 3600)}
    for ago, one in pulls.items():
        cache.incoming(one.wanted.digest, verified(one).files)
        dated(tmp_path / "incoming" / name(one), ago)
    with cache.pulling(pulls[26 * 3600].wanted.digest):
        cache.make_room(is_short=False)
        assert len(names(tmp_path / "incoming")) == 3
    cache.incoming(pulls[26 * 3600].wanted.digest, ())  # tried again
    cache.make_room(is_short=True)
    assert names(tmp_path / "incoming") == {name(pulls[1]), name(pulls[26 * 3600])}


def test_what_a_clock_that_was_wrong_has_dated_ahead_does_not_displace_what_is_used(
    tmp_path: Path,
) -> None:
    cache, last = Cache(tmp_path, keep=2), publication(b"last good")
    for content in (b"some", b"more"):
        admitted(cache, publication(content)).lease.close()
    for folder in (tmp_path / "versions").iterdir():
        dated(folder, -365 * 24 * HOUR)
    admitted(cache, last).lease.close()
    admitted(cache, publication(b"newest")).lease.close()
    assert name(last) in names(tmp_path / "versions")
    ahead = cache.incoming("sha256:" + "a" * 64, ()).parent
    dated(ahead, -365 * 24 * HOUR)
    cache.make_room(is_short=False)
    assert not ahead.exists()


@pytest.fixture
def witness(tmp_path: Path, registry: StandIn) -> Witness:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "trust.json").write_bytes(registry.trust())
    return Witness(Registry(registry.url, tmp_path / "token"), tmp_path / "cache")


def test_a_pull_that_was_cut_off_needs_room_for_the_rest_alone(
    tmp_path: Path, registry: StandIn, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk on which the first half has taken what the whole would need."""
    content = bytes(range(256)) * 4096
    published = registry.publish({"a.bin": content, "b.bin": b"b"})
    cache = Cache(tmp_path / "cache", keep=1)
    have = cache.incoming(published.wanted.digest, verified(published).files)
    (have / "a.bin").write_bytes(content[: len(content) // 2])
    pin = Pin(published.model, 1, published.wanted.digest, published.format, active=True)

    def obtained(free: int) -> object:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
        return obtain.obtain(
            pin, host="edge-1", trust_file=tmp_path / "trust.json", cache=cache,
            witness=witness, progress=Progress(),
        )  # fmt: skip

    rest = len(content) // 2 + 1 + (16 << 20)
    short = obtained(rest - 1)
    assert isinstance(short, NotNow)
    assert "limits.keepVersions" not in short.reason
    assert f"the version needs {rest}" in short.reason
    found = obtained(rest)
    assert isinstance(found, Copy)
    found.lease.close()
