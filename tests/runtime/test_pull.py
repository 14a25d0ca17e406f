"""How files come to a host: several at once, each but once, and whatever the way does to them."""

import signal
import threading
from pathlib import Path

import pytest

from registry.core import digest
from registry.core.oms import File
from registry.errors import DigestMismatch
from runtime.cache import Cache
from runtime.pull import Registry
from runtime.shared_files import SharedFiles
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import TOKEN, StandIn

DATA = bytes(range(256)) * 4000
FILE = File("a.bin", digest.of(DATA), len(DATA))


@pytest.fixture
def source(registry: StandIn, tmp_path: Path) -> Registry:
    (tmp_path / "token").write_text(TOKEN)
    registry.blobs[FILE.digest] = DATA
    return Registry(registry.url, tmp_path / "token")


def blobs_asked(registry: StandIn) -> list[str]:
    return [asked for asked in registry.requests if "/blobs/" in asked]


def test_a_cut_connection_goes_on_where_it_was_cut(
    source: Registry, registry: StandIn, tmp_path: Path
) -> None:
    registry.cut_after = 300_000
    source.download(FILE, tmp_path / "a.bin", tmp_path / "pieces")
    assert (tmp_path / "a.bin").read_bytes() == DATA
    first, second = blobs_asked(registry)
    assert " from " in second
    assert " from " not in first


def test_a_server_that_ignores_ranges_is_listened_to_from_the_start(
    source: Registry, registry: StandIn, tmp_path: Path
) -> None:
    registry.ignores_ranges, registry.cut_after = True, 300_000
    source.download(FILE, tmp_path / "a.bin", tmp_path / "pieces")
    assert (tmp_path / "a.bin").read_bytes() == DATA


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (DATA[:-1], "truncated"),
        (DATA[:-1] + b"?", "has the digest"),
        (DATA + b"?", "longer than"),
    ],
)
def test_other_bytes_than_the_manifests_are_refused_and_not_kept(
    source: Registry, registry: StandIn, tmp_path: Path, sent: bytes, said: str
) -> None:
    registry.blobs[FILE.digest] = sent
    with pytest.raises(DigestMismatch, match=said):
        source.download(FILE, tmp_path / "a.bin", tmp_path / "pieces")
    assert not (tmp_path / "a.bin").exists()


def test_files_come_several_at_once(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits() | {"a.txt": b"a", "b.txt": b"b"}))]
    registry.together = threading.Barrier(3)
    with running(runtime):
        runtime.until_state("AVAILABLE")
    assert registry.together.broken is False


def test_what_another_version_has_already_is_not_pulled_again(
    runtime: Runtime, registry: StandIn
) -> None:
    same = models.onnx_digits()
    published = [registry.publish(same | {"v": bytes([n])}, version=n) for n in (1, 2)]
    runtime.models = [pin(published[0])]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        runtime.control("PUT", "digits/versions/2", pin_body(pin(published[1])))
        runtime.until_state("AVAILABLE", version=2)
    assert len(blobs_asked(registry)) == 3
    inodes = {path.stat().st_ino for path in runtime.cache.glob("versions/*/files/model.onnx")}
    assert len(inodes) == 1


def pin_body(found: dict[str, object]) -> dict[str, object]:
    return {name: found[name] for name in ("digest", "format")}


def test_a_shared_file_that_went_bad_is_pulled_instead(tmp_path: Path) -> None:
    cache, good = Cache(tmp_path / "cache", keep=1), tmp_path / "good"
    good.write_bytes(DATA)
    shared = SharedFiles(tmp_path / "cache" / "shared")
    shared.keep(FILE, good)
    assert cache.take(FILE, tmp_path / "first")
    good.write_bytes(b"?" + DATA[1:])  # all of them, since they are one file
    assert not cache.take(FILE, tmp_path / "second")
    assert not (tmp_path / "second").exists()
    assert shared.find(FILE) is None


def test_what_no_version_has_any_more_leaves_the_disk(tmp_path: Path) -> None:
    shared, own = SharedFiles(tmp_path / "shared"), tmp_path / "own"
    own.write_bytes(DATA)
    shared.keep(FILE, own)
    shared.forget_unused()
    assert shared.find(FILE) is not None
    own.unlink()
    shared.forget_unused()
    assert not list((tmp_path / "shared").iterdir())


def test_a_pull_of_several_files_that_is_killed_is_finished_by_the_next_start(
    runtime: Runtime, registry: StandIn
) -> None:
    large = {name: name.encode() * 1_000_000 for name in ("a.txt", "b.txt", "c.txt")}
    published = registry.publish(large | models.onnx_digits())
    runtime.models = [pin(published)]
    registry.hold_after = 2_000_000
    runtime.write_config()
    runtime.start()
    parts = "incoming/*/files/?.txt"
    runtime.until(lambda: len([p for p in runtime.cache.glob(parts) if p.stat().st_size]) == 3)
    runtime.stop(signal.SIGKILL)
    registry.release()
    with running(runtime):
        runtime.until_state("AVAILABLE")
    began = [file.digest for file in published.files if file.path in large]
    resumed = [asked for asked in blobs_asked(registry) if " from " in asked]
    assert all(len([asked for asked in resumed if one in asked]) == 1 for one in began)
