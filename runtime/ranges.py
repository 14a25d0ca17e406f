"""One large file in several ranges at once, hashed in order while they come.

The file itself is always the beginning of what it will be; a piece that is not next yet lies in a
file of its own, `<number>`, and is appended when it is. So the sizes on the disk say all that a
resumed pull has to know, and memory holds what one read gives. What comes is the caller's to
verify: nothing here is proof of anything.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from registry import errors

# A multiple of age's chunks. So large that a round trip for each costs little; so small that what
# waits for its turn has mostly not reached the disk when it is read back.
PIECE = 8 * 1024 * 1024
_AHEAD = 2
_READ = 1024 * 1024
_ATTEMPTS = 4
_FIRST_DELAY_SECONDS = 0.1

# The bytes from one offset up to another; fewer where the connection ends early.
Ask = Callable[[int, int], Iterator[bytes]]
Take = Callable[[memoryview], None]


class NoRanges(Exception):
    """Whoever answers sends whole files only."""


@dataclass(frozen=True, slots=True)
class _Piece:
    path: Path
    start: int
    stop: int


def pays(size: int, have: int) -> bool:
    """Whether what is missing of a file is more than one piece."""
    return size - have > PIECE


def begun(have: int) -> int:
    """Of the beginning of a file, as much as is whole pieces: from there on it goes on."""
    return have // PIECE * PIECE


def bring(folder: Path, have: int, size: int, *, at_once: int, ask: Ask, take: Take) -> None:
    """Everything from `have` (see `begun`) up to `size`, to `take` in order; `folder` is for
    pieces, those of an earlier attempt included, and is gone afterwards.

    Raises `NoRanges`, what `ask` raises, and `Unavailable` for a range that never comes; what is
    here by then stays for the next attempt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _forget_appended(folder, have)
    ending = threading.Event()
    todo = _pieces(folder, have, size)
    with ThreadPoolExecutor(at_once, thread_name_prefix="range") as pool:
        try:
            coming = deque(
                pool.submit(_fetch, piece, ask, ending) for piece in islice(todo, at_once * _AHEAD)
            )
            while coming:
                _append(coming.popleft(), take)
                for piece in islice(todo, 1):
                    coming.append(pool.submit(_fetch, piece, ask, ending))
        except BaseException:
            ending.set()
            pool.shutdown(cancel_futures=True)
            raise
    folder.rmdir()


def _pieces(folder: Path, have: int, size: int) -> Iterator[_Piece]:
    for start in range(have, size, PIECE):
        yield _Piece(folder / str(start // PIECE), start, min(start + PIECE, size))


def _forget_appended(folder: Path, have: int) -> None:
    """What a crash left between its last byte's way into the file and its removal."""
    for path in folder.iterdir():
        if not path.name.isdecimal() or int(path.name) * PIECE < have:
            path.unlink()


def _append(piece: "Future[_Piece]", take: Take) -> None:
    found = piece.result()
    buffer = bytearray(_READ)
    with found.path.open("rb", buffering=0) as source, memoryview(buffer) as view:
        while count := source.readinto(view):
            take(view[:count])
    found.path.unlink()


def _fetch(piece: _Piece, ask: Ask, ending: threading.Event) -> _Piece:
    """All of it on the disk, whatever an earlier attempt left there."""
    failures = 0
    with piece.path.open("ab") as sink:
        while (start := piece.start + sink.tell()) < piece.stop:
            try:
                with suppress(_Ended):
                    _write(sink, ask(start, piece.stop), piece.stop - start, ending)
                failed: errors.Unavailable | None = None
            except errors.Unavailable as error:
                failed = error
            if ending.is_set():
                break
            failures = failures + 1 if piece.start + sink.tell() == start else 0
            if failures >= _ATTEMPTS:
                raise failed or errors.Unavailable(
                    f"bytes {start} to {piece.stop} of a file were asked for, and none came"
                )
            if failures:
                ending.wait(_FIRST_DELAY_SECONDS * 2**failures)
    return piece


class _Ended(Exception):
    """Another piece cannot be had, so this one is not waited for."""


def _write(sink: BinaryIO, come: Iterator[bytes], most: int, ending: threading.Event) -> None:
    for data in come:
        if ending.is_set():
            raise _Ended
        if len(data) > most:
            raise errors.DigestMismatch(f"a range came with {len(data) - most} bytes too many")
        most -= len(data)
        sink.write(data)
