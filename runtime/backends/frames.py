"""Tensors between the runtime and a model's own process: a JSON head, then each tensor's bytes.

Nothing in a frame can run: no pickle, no names of classes. What comes back from such a process is
read as what a stranger sends: a size, a type or a name that does not fit is `Broken`.
"""

import itertools
import math
import socket
import struct
import time

import numpy as np

from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.errors import InvalidInput
from runtime.backends.protocol import NUMPY_TYPES, Array, Arrays, objects

_SIZES = struct.Struct("!IQ")  # bytes of the head, bytes of all tensors
_LARGEST_HEAD = 4 << 20
_LARGEST_BODY = 4 << 30
# Below this one copy costs less than one more call of the kernel.
_JOINED = 64 << 10
_DTYPES = {np.dtype(kind): name for name, kind in NUMPY_TYPES.items()}


class Broken(Exception):
    """The other side is gone, or does not speak this language."""


def send(channel: socket.socket, head: dict[str, Json], arrays: Arrays, *, until: float) -> None:
    """One frame; raises `Broken`, and `TimeoutError` after `until` on the monotonic clock."""
    parts = [(name, array, _bytes(array)) for name, array in arrays.items()]
    tensors: list[Json] = [
        {"name": name, "dtype": _DTYPES[array.dtype], "shape": list(array.shape), "size": len(data)}
        for name, array, data in parts
    ]
    opening = canonical.encode({**head, "tensors": tensors})
    total = sum(len(data) for _, _, data in parts)
    start = _SIZES.pack(len(opening), total) + opening
    pieces = [memoryview(start), *(data for _, _, data in parts)]
    if total <= _JOINED:
        pieces = [memoryview(b"".join(pieces))]
    try:
        for piece in pieces:
            channel.settimeout(_left(until))
            channel.sendall(piece)
    except TimeoutError:
        raise
    except OSError as error:
        raise Broken(str(error)) from error


def receive(
    channel: socket.socket, *, until: float = math.inf
) -> tuple[dict[str, Json], dict[str, Array]]:
    """The next frame's head and tensors; raises `Broken` and `TimeoutError`."""
    head_size, total = _SIZES.unpack(_exactly(channel, _SIZES.size, until))
    if head_size > _LARGEST_HEAD or total > _LARGEST_BODY:
        raise Broken(f"a frame of {head_size} and {total} bytes")
    opening = bytes(_exactly(channel, head_size, until))
    body = memoryview(_exactly(channel, total, until))
    try:
        head = canonical.decode_object(opening, what="frame")
        arrays = _arrays(fields.objects(head, "tensors", what="frame"), body)
    except (InvalidInput, ValueError) as error:
        raise Broken(f"a frame that cannot be read: {error}") from error
    return head, arrays


def _arrays(items: list[dict[str, Json]], body: memoryview) -> dict[str, Array]:
    found, offset = {}, 0
    for item in items:
        end = offset + fields.integer(item, "size", what="tensor")
        if not offset <= end <= len(body):
            raise InvalidInput("a tensor that is not in the frame")
        found[fields.text(item, "name", what="tensor")] = _array(item, body[offset:end])
        offset = end
    if offset != len(body):
        raise InvalidInput("bytes of no tensor")
    return found


def _left(until: float) -> float | None:
    if until == math.inf:
        return None
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _exactly(channel: socket.socket, size: int, until: float) -> bytearray:
    found = bytearray(size)
    view = memoryview(found)
    while view:
        channel.settimeout(_left(until))
        try:
            count = channel.recv_into(view)
        except TimeoutError:
            raise
        except OSError as error:
            raise Broken(str(error)) from error
        if not count:
            raise Broken("the connection ended")
        view = view[count:]
    return found


def _bytes(array: Array) -> memoryview:
    if array.dtype == np.object_:
        items = [bytes(item) for item in array.flat]
        lengths = np.array([len(item) for item in items], np.uint32).tobytes()
        return memoryview(b"".join((lengths, *items)))
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).data if flat.size else memoryview(b"")


def _array(item: dict[str, Json], data: memoryview) -> Array:
    shape = [fields.integer({"size": size}, "size", what="shape")
             for size in fields.sequence(item, "shape", what="tensor")]  # fmt: skip
    dtype = fields.text(item, "dtype", what="tensor")
    if min(shape, default=0) < 0 or dtype not in NUMPY_TYPES:
        raise InvalidInput(f"a tensor of {dtype[:40]!r} and {shape}")
    count = math.prod(shape)
    if dtype == "string":
        return _strings(data, count, tuple(shape))
    kind = np.dtype(NUMPY_TYPES[dtype])
    if count * kind.itemsize != len(data):
        raise InvalidInput(f"a tensor of {len(data)} bytes for {shape} of {dtype}")
    return np.frombuffer(data, kind).reshape(shape)


def _strings(data: memoryview, count: int, shape: tuple[int, ...]) -> Array:
    if 4 * count > len(data):
        raise InvalidInput("fewer lengths than strings")
    ends = 4 * count + np.cumsum(np.frombuffer(data[: 4 * count], np.uint32), dtype=np.uint64)
    bounds = [4 * count, *(int(end) for end in ends)]
    if bounds[-1] != len(data):
        raise InvalidInput("strings of other lengths than were said")
    items = (bytes(data[start:end]) for start, end in itertools.pairwise(bounds))
    return objects(items, shape)
