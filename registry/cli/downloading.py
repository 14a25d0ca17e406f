"""Brings blobs from the registry: several at once, and small ones many in one answer.

Nothing that comes is believed: the bytes of a file have its digest and its size, or this raises.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import TypeAlias

from registry import errors
from registry.cli import batches
from registry.cli.client import Client
from registry.core.canonical import Json
from registry.core.oms import File

WORKERS = 4
_BLOCK = 1024 * 1024
_LONGEST = 128

# Takes a file's bytes in order; a block is gone when the next one is asked for.
Receive: TypeAlias = Callable[[File, Iterator[memoryview]], None]


class _Buffers(threading.local):
    """One for each thread: a fresh one for every file costs as much as to receive it."""

    def __init__(self) -> None:
        self.block = memoryview(bytearray(_BLOCK))


def each(client: Client, files: Sequence[File], receive: Receive) -> None:
    """Call `receive` for every file, from several threads. Raises DigestMismatch."""
    buffers = _Buffers()

    def alone(file: File) -> None:
        with client.receiving("GET", f"/v1/blobs/{file.digest}?direct=false") as answer:
            _take(answer, file, receive, buffers.block)

    def together(batch: Sequence[File]) -> None:
        try:
            _take_all(client, batch, receive, buffers.block)
        except errors.Forbidden:
            # A host gets its own copies, and whoever may not have one of them may have the others.
            for file in batch:
                alone(file)

    with ThreadPoolExecutor(WORKERS) as pool:
        waiting = [pool.submit(alone, file) for file in files if file.size > batches.SMALL]
        waiting += [pool.submit(together, batch) for batch in batches.of(files)]
        try:
            for one in waiting:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _take_all(client: Client, batch: Sequence[File], receive: Receive, buffer: memoryview) -> None:
    """Each is preceded by a line, as in an upload of several."""
    asked: dict[str, Json] = {"digests": [file.digest for file in batch]}
    with client.receiving("POST", "/v1/wanted-blobs", asked) as answer:
        for file in batch:
            said = answer.readline(_LONGEST)
            if said != f"{file.digest} {file.size}\n".encode():
                raise _other(file, f"{said[:_LONGEST]!r} came")
            _take(answer, file, receive, buffer)


def _take(answer: HTTPResponse, file: File, receive: Receive, buffer: memoryview) -> None:
    receive(file, _checked(answer, file, buffer))


def _checked(answer: HTTPResponse, file: File, buffer: memoryview) -> Iterator[memoryview]:
    hasher, left = hashlib.sha256(), file.size
    while left:
        count = answer.readinto(buffer[: min(left, _BLOCK)])
        if not count:
            raise _other(file, f"{file.size - left} bytes came")
        block = buffer[:count]
        hasher.update(block)
        left -= count
        yield block
    digest = f"sha256:{hasher.hexdigest()}"
    if digest != file.digest:
        raise _other(file, f"{file.size} bytes with digest {digest} came")


def _other(file: File, came: str) -> errors.DigestMismatch:
    return errors.DigestMismatch(
        f"file {file.path!r}: {came}, signed are {file.size} bytes with digest {file.digest}",
        fix="the stored bytes were changed: see which with `plimsoll admin verify`, and restore "
        "them from a backup",
    )
