"""Small safetensors files built byte by byte, many named for their flaw; as {path: bytes}."""

import json
import struct
from collections.abc import Callable
from typing import Any

Files = dict[str, bytes]
FLAWS: dict[str, tuple[Callable[[], Files], str]] = {}
NAME, INDEX = "model.safetensors", "model.safetensors.index.json"


def flaw(expected: str) -> Callable[[Callable[[], Files]], Callable[[], Files]]:
    """Register a bad model with a pattern of what must be said about it."""

    def register(build: Callable[[], Files]) -> Callable[[], Files]:
        FLAWS[build.__name__] = (build, expected)
        return build

    return register


def entry(
    start: int, stop: int, dtype: str = "F32", shape: tuple[Any, ...] = (2, 3)
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


def weights(header: dict[str, Any] | bytes | None = None, data: bytes = bytes(30)) -> bytes:
    """By default two tensors: 24 bytes of float32 and 6 of int8."""
    if header is None:
        header = {"w": entry(0, 24), "b": entry(24, 30, "I8", (6,)), "__metadata__": {"a": "b"}}
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def files(header: dict[str, Any] | bytes | None = None, data: bytes = bytes(30)) -> Files:
    return {NAME: weights(header, data)}


def shards(weight_map: dict[str, Any] | None = None, **others: bytes) -> Files:
    said = {"w": "a-1.safetensors", "v": "a-2.safetensors"} if weight_map is None else weight_map
    return {
        INDEX: json.dumps({"metadata": {"total_size": 48}, "weight_map": said}).encode(),
        "a-1.safetensors": weights({"w": entry(0, 24)}, bytes(24)),
        "a-2.safetensors": weights({"v": entry(0, 24)}, bytes(24)),
        **others,
    }


@flaw("a header of 2147483648 bytes in a file of")
def header_longer_than_the_file() -> Files:
    whole = weights()
    return {NAME: struct.pack("<Q", 1 << 31) + whole[8:]}


@flaw("a header of 16777217 bytes, over 16777216")
def header_of_many_megabytes() -> Files:
    return files(b"{" + b" " * (16 << 20))


@flaw("is not safetensors")
def header_that_does_not_begin_with_a_brace() -> Files:
    return files(b' {"w": {}}')


@flaw("the header is damaged")
def header_that_is_no_json() -> Files:
    return files(b'{"w": ')


@flaw("the header is damaged: it is not UTF-8")
def header_that_is_no_utf8() -> Files:
    return files(b'{"\xff": 1}')


@flaw("the header is damaged")
def header_with_half_a_character() -> Files:
    return files(b'{"\\ud800": {"dtype": "I8", "shape": [30], "data_offsets": [0, 30]}}')


@flaw("key 'w' appears twice")
def two_tensors_of_one_name() -> Files:
    one = json.dumps(entry(0, 24))
    return files(f'{{"w": {one}, "w": {one}}}'.encode(), bytes(24))


@flaw("the header is damaged")
def header_nested_deep() -> Files:
    return files(b'{"w": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@flaw("its metadata is not a map of texts")
def metadata_that_is_no_text() -> Files:
    return files({"__metadata__": {"a": 1}}, b"")


@flaw("'b' overlaps another")
def tensors_that_overlap() -> Files:
    return files({"w": entry(0, 24), "b": entry(20, 26, "I8", (6,))}, bytes(26))


@flaw("'b' overlaps another")
def tensors_that_share_their_bytes() -> Files:
    return files({"a": entry(0, 24), "b": entry(0, 24)}, bytes(24))


@flaw("'b' leaves a hole at byte 24")
def hole_between_tensors() -> Files:
    return files({"w": entry(0, 24), "b": entry(26, 32, "I8", (6,))}, bytes(32))


@flaw("'w' leaves a hole at byte 0")
def hole_before_the_first_tensor() -> Files:
    return files({"w": entry(8, 32)}, bytes(32))


@flaw("6 bytes behind the last tensor")
def bytes_behind_the_last_tensor() -> Files:
    return files({"w": entry(0, 24)}, bytes(30))


@flaw("truncated: its tensors take 24 bytes, there are 20")
def truncated() -> Files:
    return files({"w": entry(0, 24)}, bytes(20))


@flaw("6 elements of F32 in 20 bytes")
def shape_that_needs_more_bytes() -> Files:
    return files({"w": entry(0, 20)}, bytes(20))


@flaw("elements of F32 in 24 bytes")
def shape_that_overflows() -> Files:
    return files({"w": entry(0, 24, shape=(1 << 62, 8))}, bytes(24))


@flaw("impossible shape or place")
def shape_beyond_all_integers() -> Files:
    return files({"w": entry(0, 24, shape=(1 << 64, 0))}, bytes(24))


@flaw("impossible shape or place")
def shape_of_a_negative_size() -> Files:
    return files({"w": entry(0, 24, shape=(-2, -3))}, bytes(24))


@flaw("impossible shape or place")
def shape_of_a_truth_value() -> Files:
    return files({"w": entry(0, 24, shape=(True, 6))}, bytes(24))


@flaw("impossible shape or place")
def shape_of_very_many_dimensions() -> Files:
    return files({"w": entry(0, 4, shape=(1,) * 33)}, bytes(4))


@flaw("impossible shape or place")
def tensor_that_ends_before_it_starts() -> Files:
    return files({"w": entry(24, 0)}, bytes(24))


@flaw("3 elements of F4 in 1 bytes")
def half_a_byte() -> Files:
    return files({"w": entry(0, 1, "F4", (3,))}, bytes(1))


@flaw("data type 'OBJECT', which is not known")
def tensor_of_an_unknown_type() -> Files:
    return files({"w": entry(0, 24, "OBJECT")}, bytes(24))


@flaw("is not described as it must be")
def tensor_with_another_field() -> Files:
    return files({"w": {**entry(0, 24), "file": "/etc/passwd"}}, bytes(24))


@flaw("is not described as it must be")
def tensor_that_is_a_number() -> Files:
    return files({"w": 1}, b"")


@flaw("a Git LFS pointer")
def a_git_lfs_pointer() -> Files:
    return {NAME: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"}


@flaw("a Python pickle")
def a_pickle() -> Files:
    return {NAME: b"\x80\x04\x95" + bytes(60)}


@flaw("the file is empty")
def empty() -> Files:
    return {NAME: b""}


@flaw("is not safetensors")
def a_few_bytes() -> Files:
    return {NAME: b"\x02\0\0\0\0\0\0"}


@flaw("its weights are in '../a.safetensors', which was not pushed")
def shard_above() -> Files:
    return shards({"w": "../a.safetensors"})


@flaw("its weights are in '/etc/passwd', which was not pushed")
def shard_of_an_absolute_path() -> Files:
    return shards({"w": "/etc/passwd"})


@flaw("its weights are in 'a-3.safetensors', which was not pushed")
def shard_missing() -> Files:
    return shards({"w": "a-1.safetensors", "v": "a-3.safetensors"})


@flaw("its weights are in 'pytorch_model.json', which was not pushed")
def shard_of_another_kind() -> Files:
    return shards({"w": "pytorch_model.json"}, **{"pytorch_model.json": b"{}"})


@flaw("tensor 'u' is not in 'a-1.safetensors'")
def tensor_that_no_shard_has() -> Files:
    return shards({"w": "a-1.safetensors", "v": "a-2.safetensors", "u": "a-1.safetensors"})


@flaw("tensor 'v' is here, but .* does not say so")
def tensor_that_the_index_puts_elsewhere() -> Files:
    return shards({"w": "a-1.safetensors", "v": "a-1.safetensors", "u": "a-2.safetensors"})


@flaw("does not refer to this file")
def shard_that_the_index_does_not_name() -> Files:
    return shards({"w": "a-1.safetensors"})


@flaw("leaves a hole")
def flaw_in_a_shard() -> Files:
    return shards(**{"a-2.safetensors": weights({"v": entry(1, 25)}, bytes(25))})


@flaw("it has no weight_map")
def index_without_a_map() -> Files:
    return shards(**{INDEX: b"{}"})


@flaw("names something that is no file")
def index_of_numbers() -> Files:
    return shards({"w": 1})
