"""A large file in several ranges at once: whatever the way does, it is that file or there is none.

Each of these is about three pieces and a bit, the smallest file for which all of it happens.
"""

import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from registry.core import digest
from registry.core.oms import File
from registry.errors import DigestMismatch, Unavailable
from runtime import ranges
from runtime.pull import Registry
from runtime.ranges import PIECE
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import TOKEN, StandIn

DATA = np.random.default_rng(7).bytes(3 * PIECE + 12_345)
FILE = File("a.bin", digest.of(DATA), len(DATA))


@pytest.fixture
def source(registry: StandIn, tmp_path: Path) -> Registry:
    (tmp_path / "token").write_text(TOKEN)
    registry.blobs[FILE.digest] = DATA
    return Registry(registry.url, tmp_path / "token")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "a.bin"


@pytest.fixture
def pieces(tmp_path: Path) -> Path:
    return tmp_path / "pieces"


def begins(registry: StandIn) -> list[int]:
    """Where what was asked for begins; the order is that of the network."""
    found = [asked.partition(" from ")[2] for asked in registry.requests if "/blobs/" in asked]
    return sorted(int(start or 0) for start in found)


def test_a_large_file_comes_in_ranges_of_which_four_are_under_way_at_once(
    source: Registry, registry: StandIn, target: Path, pieces: Path
) -> None:
    registry.together = threading.Barrier(4)
    source.download(FILE, target, pieces)
    assert target.read_bytes() == DATA
    assert begins(registry) == [0, PIECE, 2 * PIECE, 3 * PIECE]
    assert not pieces.exists()


def test_a_range_that_is_cut_goes_on_where_it_was_cut_and_the_others_are_not_asked_again(
    source: Registry, registry: StandIn, target: Path, pieces: Path
) -> None:
    registry.cut_after = 3_000_000
    source.download(FILE, target, pieces)
    assert target.read_bytes() == DATA
    asked = begins(registry)
    assert len(asked) == 5
    assert len([start for start in asked if start % PIECE]) == 1


def test_what_a_killed_pull_left_is_not_asked_for_again(
    source: Registry, registry: StandIn, target: Path, pieces: Path
) -> None:
    """The first piece is in the file but not gone yet, one is whole, one has begun."""
    target.write_bytes(DATA[: PIECE + 1000])
    pieces.mkdir()
    (pieces / "0").write_bytes(DATA[:PIECE])
    (pieces / "1").write_bytes(DATA[PIECE : 2 * PIECE])
    (pieces / "2").write_bytes(DATA[2 * PIECE :][:5000])
    source.download(FILE, target, pieces)
    assert target.read_bytes() == DATA
    assert begins(registry) == [2 * PIECE + 5000, 3 * PIECE]


def test_a_piece_that_went_bad_on_the_disk_costs_another_pull_and_nothing_else(
    source: Registry, target: Path, pieces: Path
) -> None:
    pieces.mkdir()
    (pieces / "1").write_bytes(b"?" * PIECE)
    source.download(FILE, target, pieces)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("which", [0, 2 * PIECE])
def test_who_sends_whole_files_only_is_listened_to_from_the_start(
    source: Registry, registry: StandIn, target: Path, pieces: Path, which: int
) -> None:
    """From the first range on, or from one in the middle: another proxy took that."""
    registry.at_range[which] = 200
    source.download(FILE, target, pieces)
    assert target.read_bytes() == DATA
    assert not pieces.exists()


def test_ranges_that_are_ignored_are_not_believed_to_be_ranges(
    source: Registry, registry: StandIn, target: Path, pieces: Path
) -> None:
    registry.ignores_ranges = True
    source.download(FILE, target, pieces)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (DATA[:-1], "as one of .* bytes"),
        (DATA[: 2 * PIECE], "as one of"),
        (DATA + b"?", "as one of"),
        (DATA[:PIECE] + b"?" + DATA[PIECE + 1 :], "has the digest"),
    ],
    ids=["shorter", "shorter by a piece", "longer", "one byte changed"],
)
def test_other_bytes_than_the_manifests_are_refused_and_not_kept(
    source: Registry, registry: StandIn, target: Path, pieces: Path, sent: bytes, said: str
) -> None:
    registry.blobs[FILE.digest] = sent
    with pytest.raises(DigestMismatch, match=said):
        source.download(FILE, target, pieces)
    assert not target.exists()
    assert not pieces.exists()


def test_a_range_that_the_registry_does_not_have_is_a_file_that_is_too_short(
    source: Registry, registry: StandIn, target: Path, pieces: Path
) -> None:
    registry.at_range[2 * PIECE] = 416
    with pytest.raises(DigestMismatch, match="shorter than the manifest says"):
        source.download(FILE, target, pieces)
    assert not target.exists()


def test_one_range_that_never_comes_ends_the_pull_and_the_next_one_asks_for_it_alone(
    source: Registry, registry: StandIn, target: Path, pieces: Path
) -> None:
    registry.at_range[PIECE] = 503
    with pytest.raises(Unavailable, match="503"):
        source.download(FILE, target, pieces)
    assert target.read_bytes() == DATA[:PIECE]
    have = {int(path.name): path.stat().st_size for path in pieces.iterdir()}
    assert have.pop(1, 0) == 0
    registry.at_range.clear()
    registry.requests.clear()
    source.download(FILE, target, pieces)
    assert target.read_bytes() == DATA
    # The others are whole, unless this one was given up before a busy machine had brought them.
    whole = {2: PIECE, 3: len(DATA) - 3 * PIECE}
    left = [n * PIECE + have.get(n, 0) for n in whole if have.get(n, 0) < whole[n]]
    assert begins(registry) == [PIECE, *left]


@pytest.mark.parametrize(
    ("sent", "error"), [(b"", Unavailable), (b"x" * (PIECE + 1), DigestMismatch)]
)
def test_a_range_with_no_bytes_or_too_many_is_no_range(
    pieces: Path, sent: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ranges.bring(
            pieces, 0, PIECE, at_once=1, ask=lambda *_: iter([sent] if sent else []),
            take=lambda _: None,
        )  # fmt: skip


def test_one_connection_is_enough_where_the_host_says_so(
    registry: StandIn, source: Registry, tmp_path: Path, target: Path, pieces: Path
) -> None:
    one = Registry(registry.url, tmp_path / "token", connections=1)
    one.download(FILE, target, pieces)
    assert begins(registry) == [0]


def test_a_pull_in_ranges_that_is_killed_serves_nothing_and_is_finished_by_the_next_start(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits() | {"large.bin": DATA}))]
    registry.hold_after = 2_000_000
    runtime.write_config()
    runtime.start()
    runtime.until(lambda: len(list(runtime.cache.glob("incoming/*/pieces/*/*"))) == 4)
    assert not list(runtime.cache.glob("versions/*"))
    runtime.stop(signal.SIGKILL)
    registry.release()
    with running(runtime):
        runtime.until_state("AVAILABLE")
    version = next(runtime.cache.glob("versions/*"))
    assert sorted(path.name for path in version.iterdir()) == ["envelope.json", "files"]
    shutil.rmtree(version)
