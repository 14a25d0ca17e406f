"""A marked copy: any range is the slice of the whole, in constant memory, whatever the cut."""

import hashlib
import random
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from registry import errors
from registry.core.crc32c import crc32c, masked
from registry.core.watermark.embedding import Marker
from registry.core.watermark.keys import CopyKey
from registry.core.watermark.scheme import Tensor
from registry.formats import marking
from registry.formats.marking import Marked, Patch
from registry.formats.weights import Checksum, Place, Run, WeightMap
from tests.formats.marks import Alternating, reading, sealed

DTYPES = ("float16", "bfloat16", "float32", "float64")
RANDOM = random.Random(5)


def model(gap: int = 3, count: int = 40) -> tuple[dict[str, bytes], WeightMap]:
    """A tensor of each type, each with unaligned bytes before it, and checksums over two of them:
    one that stands before its bytes, one behind them in another file, under a third."""
    content, runs = b"", []
    for dtype in DTYPES:
        values = np.linspace(1, 2, count)
        data = {
            "float16": values.astype("<f2").tobytes(),
            "bfloat16": (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes(),
            "float32": values.astype("<f4").tobytes(),
            "float64": values.astype("<f8").tobytes(),
        }[dtype]
        content += RANDOM.randbytes(gap + 4)
        runs.append(Run(Tensor(dtype, dtype, (2, count // 2)), len(content), 0, count))
        content += data
    first, last = runs[0], runs[-1]
    sums = (
        Checksum("crc32", "a", first.offset, first.stop, (Place("a", first.offset - 4),)),
        Checksum("crc32c", "a", last.offset, last.stop, (Place("b", 6),)),
        Checksum("crc32c", "b", 2, 20, (Place("b", 20), Place("b", 26))),
    )
    files = {"a": content + b"tail", "b": RANDOM.randbytes(30), "c": b"not touched"}
    return files, WeightMap({"a": tuple(runs)}, sums)


def by_hand(files: dict[str, bytes], found: WeightMap) -> dict[str, bytes]:
    """The copy, each tensor marked at once and the checksums written one after the other."""
    made = {path: bytearray(content) for path, content in files.items()}
    forms = {"float16": "<f2", "bfloat16": "<u2", "float32": "<f4", "float64": "<f8"}
    for run in found.runs["a"]:
        block = np.frombuffer(bytes(files["a"][run.offset : run.stop]), forms[run.tensor.dtype])
        made["a"][run.offset : run.stop] = Alternating().mark(run.tensor, 0, block).tobytes()
    for one in found.checksums:
        data = bytes(made[one.path][one.start : one.stop])
        value = zlib.crc32(data) if one.kind == "crc32" else masked(crc32c(data))
        for place in one.places:
            made[place.path][place.offset : place.offset + 4] = value.to_bytes(4, "little")
    return {path: bytes(content) for path, content in made.items()}


def test_any_range_is_the_slice_of_the_whole():
    files, found = model()
    whole = by_hand(files, found)
    copy = Marked(found, Alternating(), reading(files), patches=sealed(files, found).patches)
    for path, content in whole.items():
        for start in range(len(content) + 1):
            for stop in (start, start + 1, start + 2, start + 7, start + 300, len(content)):
                stop = min(stop, len(content))  # noqa: PLW2901
                assert copy.read(path, start, stop) == content[start:stop], (path, start, stop)


def test_the_real_mark_is_the_same_whatever_range_it_is_asked_for():
    files, found = model(count=700)
    marker = Marker(CopyKey(bytes(32), bytes(range(32))), 0.02)
    sizes = {path: len(content) for path, content in files.items()}
    done = marking.seal(found, marker, reading(files), sizes)
    copy = Marked(found, marker, reading(files), patches=done.patches)
    whole = copy.read("a", 0, sizes["a"])
    assert whole != files["a"]
    assert done.digests["a"] == f"sha256:{hashlib.sha256(whole).hexdigest()}"
    for _ in range(200):
        start, stop = sorted(RANDOM.choices(range(sizes["a"] + 1), k=2))
        assert copy.read("a", start, stop) == whole[start:stop], (start, stop)


def test_one_pass_gives_the_digests_of_what_is_changed_and_all_checksums():
    files, found = model()
    whole = by_hand(files, found)
    done = sealed(files, found)
    assert done.digests == {
        path: f"sha256:{hashlib.sha256(whole[path]).hexdigest()}" for path in ("a", "b")
    }
    patched = {(one.path, one.offset): one.value for one in done.patches}
    assert patched == {
        (place.path, place.offset): whole[place.path][place.offset : place.offset + 4]
        for one in found.checksums
        for place in one.places
    }


def test_the_pass_hands_on_the_changed_files_as_they_go_by():
    files, found = model()
    taken: dict[str, bytes] = {}

    def take(path: str, block: memoryview) -> None:
        taken[path] = taken.get(path, b"") + bytes(block)

    sizes = {path: len(content) for path, content in files.items()}
    marking.seal(found, Alternating(), reading(files), sizes, take)
    assert taken == {path: by_hand(files, found)[path] for path in ("a", "b")}


@pytest.mark.parametrize("length", [marking.CHUNK + 5, 3 * marking.CHUNK])
def test_tensors_longer_than_a_chunk_are_marked_without_a_seam(length: int):
    files, found = model(count=2 * (length // 16))
    assert len(files["a"]) > marking.CHUNK
    done = sealed(files, found)
    copy = Marked(found, Alternating(), reading(files), patches=done.patches)
    whole = by_hand(files, found)["a"]
    assert b"".join(copy.stream("a", 0, len(whole))) == whole
    assert done.digests["a"] == f"sha256:{hashlib.sha256(whole).hexdigest()}"


def test_memory_stays_flat_whatever_the_size():
    """A file that nobody has: 96 MiB of one block again and again."""
    size = 96 << 20
    block = np.linspace(1, 2, marking.CHUNK // 4 + 1024, dtype="<f4").tobytes()
    tensor = Tensor("w", "float32", (size >> 12, 1 << 10))
    sums = (Checksum("crc32c", "a", 0, size, (Place("a", size),)),)
    found = WeightMap({"a": (Run(tensor, 0, 0, size // 4),)}, sums)
    read: Callable[[str, int, int], bytes] = lambda path, start, stop: block[: stop - start]  # noqa: E731
    tracemalloc.start()
    try:
        marking.seal(found, Alternating(), read, {"a": size + 4})
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The test's own mark takes eight times a chunk while it works.
    assert most < 16 * marking.CHUNK


def test_an_original_that_is_shorter_than_it_was_is_no_copy():
    files, found = model()
    copy = Marked(found, Alternating(), reading({**files, "a": files["a"][:50]}))
    with pytest.raises(errors.IntegrityError, match=r"a: bytes 0 to 100 of the original are 50"):
        copy.read("a", 0, 100)


def test_what_breaks_while_hashing_breaks_the_pass():
    files, found = model()

    def take(path: str, block: memoryview) -> None:
        raise errors.StorageFull("no space left")

    with pytest.raises(errors.StorageFull):
        marking.seal(found, Alternating(), reading(files), dict.fromkeys(files, 40), take)


def test_a_patch_that_is_cut_by_a_range_is_there_in_both_halves():
    files, found = model()
    copy = Marked(found, Alternating(), reading(files), patches=[Patch("c", 2, b"WXYZ")])
    assert copy.read("c", 0, 4) + copy.read("c", 4, 11) == b"noWXYZuched"
