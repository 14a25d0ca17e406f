"""Where a model's float weights lie in its files, and the checksums that depend on them.

A `WeightMap` is found by a parser of untrusted files and read back strictly: whatever a document
says, its runs lie inside the files and apart, and together cover each tensor exactly once.
Aliased and tied tensors are in it once.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from registry import errors
from registry.core import fields, names
from registry.core.canonical import Json
from registry.core.watermark.scheme import Tensor

MAX_RUNS = 50_000
MAX_NAME = 1024
MAX_RANK = 32
MAX_DEPTH = 2  # a block of TensorFlow's index is summed with the sums of tensors in it
CRC32, CRC32C = "crc32", "crc32c"
WIDTHS: Mapping[str, int] = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
CHECKSUM_BYTES = 4

_WHAT = "weight map"
_LARGEST = 1 << 62
_FIX = "read the weights again; if it happens again, report this with the model"


@dataclass(frozen=True, slots=True)
class Run:
    """Elements [start, start + count) of `tensor` in C order, little-endian, from byte `offset`."""

    tensor: Tensor
    offset: int
    start: int
    count: int

    @property
    def stop(self) -> int:
        """The byte behind the last element."""
        return self.offset + self.count * WIDTHS[self.tensor.dtype]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Four bytes of a file, little-endian."""

    path: str
    offset: int


@dataclass(frozen=True, slots=True)
class Checksum:
    """Over bytes [start, stop) of `path`; stands at each of `places`.

    `crc32` is zip's, `crc32c` TensorFlow's masked one (tensorflow/core/lib/hash/crc32c.h).
    """

    kind: str
    path: str
    start: int
    stop: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class WeightMap:
    """Per file its runs by offset; `checksums` so that none needs one that comes behind it."""

    runs: Mapping[str, tuple[Run, ...]]
    checksums: tuple[Checksum, ...] = ()

    @property
    def weights(self) -> int:
        """How many numbers can carry a mark."""
        return sum(run.count for runs in self.runs.values() for run in runs)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by its name."""
        return {run.tensor.name: run.tensor for runs in self.runs.values() for run in runs}

    @property
    def touched(self) -> frozenset[str]:
        """The files that a mark changes."""
        sums = {place.path for one in self.checksums for place in one.places}
        return frozenset(sums.union(self.runs))

    def document(self) -> dict[str, Json]:
        """What `weight_map` reads."""
        return {
            "runs": {
                path: [_run_document(run) for run in runs] for path, runs in self.runs.items()
            },
            "checksums": [
                [one.kind, one.path, one.start, one.stop, [[p.path, p.offset] for p in one.places]]
                for one in self.checksums
            ],
        }


def weight_map(document: dict[str, Json], sizes: Mapping[str, int]) -> WeightMap:
    """The map that `document` says, of the files in `sizes`; raises InvalidInput."""
    listed = {
        path: _rows(said, f"the runs of {path[:120]!r}")
        for path, said in fields.mapping(document, "runs", what=_WHAT).items()
    }
    sums = _rows(fields.sequence(document, "checksums", what=_WHAT), "the checksums")
    if sum(map(len, listed.values())) > MAX_RUNS or len(sums) > MAX_RUNS:
        raise _wrong(f"more than {MAX_RUNS} runs or checksums")
    runs = {path: tuple(_run(row, path) for row in rows) for path, rows in listed.items()}
    found = WeightMap(runs, tuple(map(_checksum, sums)))
    require_sound(found, sizes)
    return found


def require_sound(found: WeightMap, sizes: Mapping[str, int]) -> None:
    """Raises InvalidInput where the map breaks the promise above."""
    for path, runs in found.runs.items():
        names.file_path(path)
        if path not in sizes:
            raise _wrong(f"{path[:120]!r} is no file of the model")
        at = 0
        for run in runs:
            if run.offset < at or run.stop > sizes[path]:
                raise _wrong(
                    f"tensor {run.tensor.name[:80]!r}: bytes {run.offset} to {run.stop} of "
                    f"{path}, where {at} to {sizes[path]} are free"
                )
            at = run.stop
    _require_whole([run for runs in found.runs.values() for run in runs])
    _require_places(found, sizes)


def require_below(folder: str, found: WeightMap) -> None:
    """Raises InvalidInput where a mark would change a file outside of `folder`."""
    outside = sorted(path for path in found.touched if not path.startswith(folder))
    if outside:
        raise _wrong(f"a mark would change {outside[0][:120]!r}, outside of {folder}")


def _require_whole(runs: Iterable[Run]) -> None:
    """The runs of each tensor follow each other from its first element to its last."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.tensor.name, []).append(run)
    for name, parts in grouped.items():
        tensor = parts[0].tensor
        parts.sort(key=lambda run: run.start)
        if any(run.tensor != tensor for run in parts):
            raise _wrong(f"two tensors are called {name[:80]!r}")
        ends = [0, *(run.start + run.count for run in parts)]
        if [*(run.start for run in parts), prod(tensor.shape)] != ends:
            raise _wrong(
                f"tensor {name[:80]!r} of shape {list(tensor.shape)} is not covered exactly once"
            )


def _require_places(found: WeightMap, sizes: Mapping[str, int]) -> None:
    taken = {path: [(run.offset, run.stop) for run in runs] for path, runs in found.runs.items()}
    pending = {place for one in found.checksums for place in one.places}
    if len(pending) != sum(len(one.places) for one in found.checksums):
        raise _wrong("two checksums stand in one place")
    for place in pending:
        if place.offset < 0 or place.offset + CHECKSUM_BYTES > sizes.get(place.path, -1):
            raise _wrong(f"a checksum at byte {place.offset} of {place.path[:120]!r}")
        taken.setdefault(place.path, []).append((place.offset, place.offset + CHECKSUM_BYTES))
    for path, ranges in taken.items():
        if any(stop > start for (_, stop), (start, _) in pairwise(sorted(ranges))):
            raise _wrong(f"a checksum of {path[:120]!r} stands in weights or in another one")
    _require_order(found.checksums, sizes)


def _require_order(checksums: Sequence[Checksum], sizes: Mapping[str, int]) -> None:
    """Each is over bytes that are known when those before it are."""
    ranges = _ranges(checksums, sizes)
    depths = [1] * len(checksums)
    for number, one in enumerate(checksums):
        for place in one.places:
            for over in _over(ranges.get(place.path, []), place.offset):
                depths[over] = max(depths[over], depths[number] + 1)
                if over <= number or depths[over] > MAX_DEPTH:
                    raise _wrong(
                        f"the checksum at byte {place.offset} of {place.path[:120]!r} is over "
                        "itself, or over too many others"
                    )


def _ranges(
    checksums: Sequence[Checksum], sizes: Mapping[str, int]
) -> dict[str, list[tuple[int, int, int]]]:
    """What each is over, in order, with its number; no byte is under two."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    for number, one in enumerate(checksums):
        if not 0 <= one.start < one.stop <= sizes.get(one.path, -1):
            raise _wrong(f"a checksum over bytes {one.start} to {one.stop} of {one.path[:120]!r}")
        found.setdefault(one.path, []).append((one.start, one.stop, number))
    for path, ranges in found.items():
        ranges.sort()
        if any(left[1] > right[0] for left, right in pairwise(ranges)):
            raise _wrong(f"two checksums are over the same bytes of {path[:120]!r}")
    return found


def _over(ranges: Sequence[tuple[int, int, int]], offset: int) -> Iterator[int]:
    """The numbers of those ranges that a checksum at `offset` stands in, if only in part."""
    at = bisect_left(ranges, (offset + CHECKSUM_BYTES,)) - 1
    while at >= 0 and ranges[at][1] > offset:
        yield ranges[at][2]
        at -= 1


def _run(row: list[Json], path: str) -> Run:
    match row:
        case [str(name), str(dtype), list(shape), *place] if (
            0 < len(name) <= MAX_NAME and dtype in WIDTHS and 2 <= len(shape) <= MAX_RANK
        ):
            sizes, numbers = _counts(shape), _counts(place)
        case _:
            raise _wrong(f"a run of {path[:120]!r} is not described as it must be")
    if sizes is None or min(sizes) < 1 or prod(sizes) > _LARGEST:
        raise _wrong(f"tensor {name[:80]!r} has an impossible shape")
    match numbers:
        case (offset, start, count) if count > 0:
            return Run(Tensor(name, dtype, sizes), offset, start, count)
        case _:
            raise _wrong(f"tensor {name[:80]!r} has an impossible place")


def _checksum(row: list[Json]) -> Checksum:
    match row:
        case [("crc32" | "crc32c") as kind, str(path), start, stop, list(places)] if (
            found := _counts([start, stop])
        ) is not None:
            return Checksum(kind, path, found[0], found[1], tuple(_places(places)))
        case _:
            raise _wrong("a checksum is not described as it must be")


def _places(said: list[Json]) -> Iterator[Place]:
    for item in said:
        match item:
            case [str(path), offset] if (found := _counts([offset])) is not None:
                yield Place(path, found[0])
            case _:
                raise _wrong("the place of a checksum is not described as it must be")


def _rows(said: Json, which: str) -> list[list[Json]]:
    rows = [row for row in said if isinstance(row, list)] if isinstance(said, list) else None
    if rows is None or not isinstance(said, list) or len(rows) != len(said):
        raise _wrong(f"{which} are no list of lists")
    return rows


def _counts(said: list[Json]) -> tuple[int, ...] | None:
    found = tuple(one for one in said if isinstance(one, int) and not isinstance(one, bool))
    return found if len(found) == len(said) and all(0 <= one <= _LARGEST for one in found) else None


def _run_document(run: Run) -> list[Json]:
    tensor = run.tensor
    return [tensor.name, tensor.dtype, list(tensor.shape), run.offset, run.start, run.count]


def _wrong(what: str) -> errors.InvalidInput:
    return errors.InvalidInput(f"{_WHAT}: {what}", fix=_FIX)
