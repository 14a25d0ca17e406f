"""Checkpoints as TensorFlow lays them out, built byte by byte, many named for their flaw."""

import struct
from collections.abc import Callable, Sequence

import numpy as np

from registry.core.crc32c import crc32c, masked
from tests.formats import saved_models

Files = dict[str, bytes]
INDEX, DATA = "variables/variables.index", "variables/variables.data-00000-of-00001"
FLAWS: dict[str, tuple[Callable[[], Files], str]] = {}
MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
HEADER = b"\x08\x01\x1a\x02\x08\x01"  # one data file, little-endian, version 1


def flaw(expected: str) -> Callable[[Callable[[], Files]], Callable[[], Files]]:
    """Register a bad model with a pattern of what must be said about it."""

    def register(build: Callable[[], Files]) -> Callable[[], Files]:
        FLAWS[build.__name__] = (build, expected)
        return build

    return register


def varint(value: int) -> bytes:
    found = b""
    while value >= 0x80:
        found, value = found + bytes([value & 0x7F | 0x80]), value >> 7
    return found + bytes([value])


def block(entries: Sequence[tuple[bytes, bytes]], restarts: Sequence[int] = (0,)) -> bytes:
    """Keys share what they can with the one before."""
    out, last = b"", b""
    for key, value in entries:
        shared = next((n for n in range(len(key), 0, -1) if last[:n] == key[:n]), 0)
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out, last = out + key[shared:] + value, key
    return out + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def table(blocks: Sequence[bytes], *, packing: int = 0, gap: bytes = b"", spoil: int = 0) -> bytes:
    out, handles = b"", []
    for content in blocks:
        handles.append((b"%08d" % len(out), varint(len(out)) + varint(len(content))))
        checksum = masked(crc32c(content + bytes([packing]))) ^ spoil
        out += content + struct.pack("<BI", packing, checksum) + gap
    tail = b""
    for content in (block([]), block(handles)):
        tail += varint(len(out)) + varint(len(content))
        out += content + b"\0" + struct.pack("<I", masked(crc32c(content + b"\0")))
    return out + tail.ljust(40, b"\0") + MAGIC


def entry(
    content: bytes,
    shape: tuple[int, ...],
    offset: int,
    *,
    dtype: int = 1,
    size: int | None = None,
    checksum: int | None = -1,
) -> bytes:
    dims = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in shape))
    length = len(content) if size is None else size
    out = b"\x08" + varint(dtype) + b"\x12" + varint(len(dims)) + dims
    out += b"\x20" + varint(offset) + b"\x28" + varint(length)
    if checksum is None:
        return out
    right = masked(crc32c(content))
    return out + b"\x35" + struct.pack("<I", right if checksum == -1 else checksum)


WEIGHT = np.linspace(-1, 1, 24, dtype=np.float32).tobytes()
BIAS = np.ones(4, np.float32).tobytes()


def files(*entries: tuple[bytes, bytes], data: bytes = WEIGHT + BIAS, **more: int) -> Files:
    of = [(b"", HEADER), *entries] if entries else honest_entries()
    return of_index(table([block(of)], **more), data)


def honest_entries() -> list[tuple[bytes, bytes]]:
    bias = entry(BIAS, (4,), len(WEIGHT))
    return [(b"", HEADER), (b"net/bias", bias), (b"net/kernel", entry(WEIGHT, (6, 4), 0))]


def of_index(index: bytes, data: bytes = WEIGHT + BIAS) -> Files:
    return {**saved_models.files(saved_models.honest()), INDEX: index, DATA: data}


def of_two_blocks() -> Files:
    """Two kernels, one in each block of the index."""
    first, second = (entry(WEIGHT, (6, 4), at) for at in (0, len(WEIGHT)))
    blocks = [block([(b"", HEADER), (b"a", first)]), block([(b"b", second)])]
    return of_index(table(blocks), WEIGHT * 2)


def of_two_data_files() -> Files:
    """As a saver writes it that works on several devices."""
    first = entry(WEIGHT, (6, 4), 0)
    header = (b"", b"\x08\x02\x1a\x02\x08\x01")
    second = first.replace(b"\x20\x00", b"\x18\x01\x20\x00", 1)
    return {
        **saved_models.files(saved_models.honest()),
        INDEX: table([block([header, (b"a", first), (b"b", second)])]),
        "variables/variables.data-00000-of-00002": WEIGHT,
        "variables/variables.data-00001-of-00002": WEIGHT,
    }


@flaw(r"variables 'a' and 'b' overlap in variables/variables\.data-00000-of-00001, from byte 48")
def overlapping_entries() -> Files:
    return files((b"a", entry(WEIGHT, (6, 4), 0)), (b"b", entry(BIAS, (4,), 48)))


@flaw(r"variable 'a': bytes 64 to 160 of .*, which has only 112")
def an_entry_past_the_end() -> Files:
    return files((b"a", entry(WEIGHT, (6, 4), 64)))


@flaw(r"bytes 4611686018427387904 to 4611686018427388000")
def an_entry_far_past_the_end() -> Files:
    return files((b"a", entry(WEIGHT, (6, 4), 1 << 62)))


@flaw(r"variable 'a' of shape \[6, 5\] in 96 bytes of float32")
def an_entry_of_another_shape() -> Files:
    return files((b"a", entry(WEIGHT, (6, 5), 0)))


@flaw("variable 'a' has an impossible shape")
def an_entry_of_a_negative_shape() -> Files:
    return files((b"a", entry(WEIGHT, ((1 << 64) - 6, 4), 0)))


@flaw("variable 'a' has no checksum")
def an_entry_without_a_checksum() -> Files:
    return files((b"a", entry(WEIGHT, (6, 4), 0, checksum=None)))


@flaw(r"the block at byte 0 is compressed \(snappy\)")
def compressed_blocks() -> Files:
    return files(packing=1)


@flaw("the checksum of the block at byte 0 is wrong")
def a_block_with_a_wrong_checksum() -> Files:
    return files(spoil=1)


@flaw("its blocks overlap or leave a hole at byte")
def bytes_between_blocks() -> Files:
    return files(gap=b"hidden")


@flaw("key b'b' is out of order, or there twice")
def a_key_twice() -> Files:
    same = (b"b", entry(WEIGHT, (6, 4), 0))
    return files(same, same)


@flaw("key b'a' is out of order, or there twice")
def keys_out_of_order() -> Files:
    return files((b"b", entry(WEIGHT, (6, 4), 0)), (b"a", entry(BIAS, (4,), 96)))


@flaw("the block at byte 0 can be read in two ways")
def a_search_that_begins_inside_an_entry() -> Files:
    return of_index(table([block(honest_entries(), restarts=(0, 5))]))


@flaw("truncated, or no index of a checkpoint")
def truncated_index() -> Files:
    return of_index(files()[INDEX][:-1])


@flaw("truncated, or no index of a checkpoint")
def empty_index() -> Files:
    return of_index(b"")


@flaw("a block of .* bytes at byte")
def an_index_without_its_first_half() -> Files:
    return of_index(files()[INDEX][-60:])


@flaw("it has no header")
def no_header() -> Files:
    return of_index(table([block([(b"a", entry(WEIGHT, (6, 4), 0))])]))


@flaw("its numbers are big-endian")
def big_endian() -> Files:
    return of_index(table([block([(b"", b"\x08\x01\x10\x01")])]))


@flaw(r"it is of 2 data file\(s\), there are 1")
def a_data_file_that_is_missing() -> Files:
    return of_index(table([block([(b"", b"\x08\x02")])]))


@flaw("variable 'a' is in data file 7 of 1")
def a_data_file_that_does_not_exist() -> Files:
    return files((b"a", b"\x08\x01\x18\x07"))


@flaw("an entry says something twice")
def an_entry_with_two_offsets() -> Files:
    return files((b"a", entry(WEIGHT, (6, 4), 0) + b"\x20\x08"))


@flaw("an entry is damaged")
def an_entry_that_is_no_message() -> Files:
    return files((b"a", b"\xff\xff\xff"))
