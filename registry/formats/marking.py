"""A marked copy of a model, never held: any range of any of its files, made from the original's.

Sizes are the original's, and of every byte that is no weight and no checksum of weights so is the
value. `seal` goes over all that a mark changes once, in constant memory: the checksums that the
formats keep, and the digests of the files. Embedding and hashing run side by side.
"""

import hashlib
import zlib
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from registry import errors
from registry.core import crc32c
from registry.core.watermark.scheme import Tensor
from registry.formats.weights import CHECKSUM_BYTES, CRC32, WIDTHS, Checksum, Run, WeightMap

CHUNK = 4 << 20
_SMALL = 64 << 10
_AHEAD = 2
_DTYPES: Mapping[str, str] = {
    "float16": "<f2", "bfloat16": "<u2", "float32": "<f4", "float64": "<f8",
}  # fmt: skip

# Bytes [start, stop) of the original's file at this path.
Read = Callable[[str, int, int], bytes]


class Marks(Protocol):
    """`registry.core.watermark.embedding.Marker`, or whatever else changes weights one by one."""

    def mark(self, tensor: Tensor, start: int, block: NDArray[np.generic]) -> NDArray[np.generic]:
        """Elements [start, start + len(block)) of `tensor`, marked; bfloat16 as uint16."""


@dataclass(frozen=True, slots=True)
class Patch:
    """What a checksum becomes in the copy: `value` stands at byte `offset` of `path`."""

    path: str
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """`digests` are those of the changed files; all others are as they were."""

    digests: Mapping[str, str]
    patches: tuple[Patch, ...]


class Marked:
    """The copy. Threads may share it where they may share `read`."""

    def __init__(
        self, weights: WeightMap, marks: Marks, read: Read, *, patches: Iterable[Patch] = ()
    ) -> None:
        """Without the `patches` of `seal`, the formats' own checksums are the original's."""
        self._runs = weights.runs
        self._starts = {path: [run.offset for run in runs] for path, runs in weights.runs.items()}
        self._marks = marks
        self._read = read
        self._patches: dict[str, list[tuple[int, bytes]]] = {}
        self.patch(patches)

    def patch(self, patches: Iterable[Patch]) -> None:
        """From now on these are part of the copy."""
        for one in patches:
            insort(self._patches.setdefault(one.path, []), (one.offset, one.value))

    def read(self, path: str, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of the file; all of them in memory, so `stream` where it is long."""
        return bytes(self._range(path, start, stop))

    def stream(self, path: str, start: int, stop: int) -> Iterator[memoryview]:
        """The same, in pieces."""
        for at in range(start, stop, CHUNK):
            yield self._range(path, at, min(stop, at + CHUNK))

    def _range(self, path: str, start: int, stop: int) -> memoryview:
        runs = self._within(path, start, stop)
        first, last = _to_whole_elements(runs, start, stop)
        original = memoryview(self._read(path, first, last))
        if len(original) != last - first:
            raise errors.IntegrityError(
                f"{path}: bytes {first} to {last} of the original are {len(original)} bytes",
                fix="restore the original's bytes from a backup",
            )
        pieces, at = [], first
        for run in runs:
            begin, end = max(run.offset, first), min(run.stop, last)
            pieces.append(original[at - first : begin - first])
            pieces.append(self._marked(run, begin, original[begin - first : end - first]))
            at = end
        pieces.append(original[at - first :])
        held = [piece for piece in pieces if piece]
        whole = held[0] if len(held) == 1 else memoryview(b"".join(held))
        return self._patched(path, start, whole[start - first : stop - first])

    def _marked(self, run: Run, begin: int, original: memoryview) -> memoryview:
        dtype = np.dtype(_DTYPES[run.tensor.dtype])
        element = run.start + (begin - run.offset) // dtype.itemsize
        block = np.require(np.frombuffer(original, dtype), requirements="A")
        marked = self._marks.mark(run.tensor, element, block)
        return np.ascontiguousarray(marked, dtype).data.cast("B")

    def _within(self, path: str, start: int, stop: int) -> tuple[Run, ...]:
        if start >= stop or path not in self._runs:
            return ()
        runs, starts = self._runs[path], self._starts[path]
        first = max(0, bisect_right(starts, start) - 1)
        found = runs[first : bisect_left(starts, stop)]
        return found[1:] if found and found[0].stop <= start else found

    def _patched(self, path: str, start: int, content: memoryview) -> memoryview:
        stop = start + len(content)
        patches = self._patches.get(path, [])
        # One that begins before may reach in.
        first = bisect_left(patches, (start - CHECKSUM_BYTES + 1,))
        inside = patches[first : bisect_left(patches, (stop,))]
        if not inside:
            return content
        changed = bytearray(content)
        for offset, value in inside:
            begin, end = max(offset, start), min(offset + len(value), stop)
            changed[begin - start : end - start] = value[begin - offset : end - offset]
        return memoryview(changed)


def _to_whole_elements(runs: Sequence[Run], start: int, stop: int) -> tuple[int, int]:
    """The range, and what it lacks of the elements at its two ends."""
    if runs and runs[0].offset < start:
        start -= (start - runs[0].offset) % WIDTHS[runs[0].tensor.dtype]
    if runs and runs[-1].stop > stop:
        stop += (runs[-1].offset - stop) % WIDTHS[runs[-1].tensor.dtype]
    return start, stop


def seal(
    weights: WeightMap,
    marks: Marks,
    read: Read,
    sizes: Mapping[str, int],
    take: Callable[[str, memoryview], None] | None = None,
) -> Sealed:
    """The digests and checksums of the copy. `take` is given its changed files as they go by."""
    with ThreadPoolExecutor(1) as hashing, ThreadPoolExecutor(1) as summing:
        going = _Pass(weights, Marked(weights, marks, read), _Lane(hashing), _Lane(summing))
        digests = {path: going.file(path, sizes[path], take) for path in _order(weights)}
    return Sealed(digests, tuple(going.patches))


def require_sums(weights: WeightMap, read: Read) -> None:
    """Raises UnsafeModel where a checksum of the original is wrong: no engine would load it."""
    for one in weights.checksums:
        running = _Running(one.kind)
        for at in range(one.start, one.stop, CHUNK):
            running.update(read(one.path, at, min(one.stop, at + CHUNK)))
        for place in one.places:
            if read(place.path, place.offset, place.offset + CHECKSUM_BYTES) != running.value():
                raise errors.UnsafeModel(
                    f"{one.path}: the checksum of bytes {one.start} to {one.stop}, at byte "
                    f"{place.offset} of {place.path}, is wrong",
                    fix="the file is damaged: export the model again and push that",
                )


class _Running:
    """A checksum as it grows, and as it stands in a file."""

    def __init__(self, kind: str) -> None:
        self._zip = 0
        self._tensorflow = None if kind == CRC32 else crc32c.Crc32c()

    def update(self, data: bytes | memoryview) -> None:
        if self._tensorflow is None:
            self._zip = zlib.crc32(data, self._zip)
        else:
            self._tensorflow.update(data)

    def value(self) -> bytes:
        running = self._tensorflow
        number = self._zip if running is None else crc32c.masked(running.value())
        return number.to_bytes(CHECKSUM_BYTES, "little")


class _Lane:
    """Work for one thread, in order, and never much of it waiting."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._waiting: deque[Future[None]] = deque()

    def feed(self, update: Callable[[memoryview], None], block: memoryview) -> None:
        if len(block) < _SMALL:  # handing it over takes longer
            self.finish()
            update(block)
            return
        if len(self._waiting) == _AHEAD:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(update, block))

    def finish(self) -> None:
        while self._waiting:
            self._waiting.popleft().result()


class _Pass:
    """Goes over the files in order; a checksum is known by the time its place goes by."""

    def __init__(self, weights: WeightMap, marked: Marked, hashing: _Lane, summing: _Lane) -> None:
        self.patches: list[Patch] = []
        self._marked = marked
        self._hashing = hashing
        self._summing = summing
        self._open = set(weights.checksums)
        self._over: dict[str, list[Checksum]] = {}
        self._at: dict[str, dict[int, Checksum]] = {}
        for one in weights.checksums:
            self._over.setdefault(one.path, []).append(one)
            for place in one.places:
                self._at.setdefault(place.path, {})[place.offset] = one

    def file(self, path: str, size: int, take: Callable[[str, memoryview], None] | None) -> str:
        """Its digest."""
        digest = hashlib.sha256()
        begins = {one.start: one for one in self._over.get(path, ())}
        running: tuple[Checksum, _Running] | None = None
        for start, stop in self._pieces(path, size):
            self._settle_at(path, start)
            if start in begins and begins[start] in self._open:
                running = begins[start], _Running(begins[start].kind)
            for block in self._marked.stream(path, start, stop):
                self._hashing.feed(digest.update, block)
                if running:
                    self._summing.feed(running[1].update, block)
                if take:
                    take(path, block)
            if running and running[0].stop == stop:
                self._summing.finish()
                self._settle(running[0], running[1].value())
                running = None
        self._hashing.finish()
        return f"sha256:{digest.hexdigest()}"

    def _pieces(self, path: str, size: int) -> Iterator[tuple[int, int]]:
        """All of the file, cut where a checksum begins, ends or stands."""
        cuts = {0, size, *self._at.get(path, ())}
        for one in self._over.get(path, ()):
            cuts |= {one.start, one.stop}
        return pairwise(sorted(cuts))

    def _settle_at(self, path: str, offset: int) -> None:
        """A checksum that stands before its bytes is found by a way through them ahead of time."""
        one = self._at.get(path, {}).get(offset)
        if one is None or one not in self._open:
            return
        for inside in self._at.get(one.path, {}):
            if one.start <= inside < one.stop:
                self._settle_at(one.path, inside)
        running = _Running(one.kind)
        for block in self._marked.stream(one.path, one.start, one.stop):
            running.update(block)
        self._settle(one, running.value())

    def _settle(self, one: Checksum, value: bytes) -> None:
        if one in self._open:
            self._open.discard(one)
            found = [Patch(place.path, place.offset, value) for place in one.places]
            self._marked.patch(found)
            self.patches.extend(found)


def _order(weights: WeightMap) -> list[str]:
    """Files that hold the checksums of others go last."""
    after = {p.path for one in weights.checksums for p in one.places if p.path != one.path}
    return sorted(weights.touched, key=lambda path: (path in after, path))
