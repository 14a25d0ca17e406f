"""One blob from the registry into one file: over several connections, or over one where it must.

A cut connection goes on where it stopped, a bounded number of times in a row. The file is hashed
while it comes, and at the end it is what the manifest says, or it is refused.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from io import BufferedRandom
from pathlib import Path

import httpx2

from registry import errors
from registry.core.age import Identity
from registry.core.oms import File
from runtime import answers, ranges, unsealing
from runtime.unsealing import Incoming

_ATTEMPTS = 4
_FIRST_DELAY_SECONDS = 0.1
_SPAN = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:([0-9]{1,19})|\*)")


class Download:
    """`sink` may have a beginning already; everything after it is asked for."""

    def __init__(
        self,
        client: httpx2.Client,
        file: File,
        sink: BufferedRandom,
        identity: Identity | None,
        connections: int,
    ) -> None:
        self._client = client
        self._file = file
        self._sink = sink
        self._connections = connections
        self._incoming = Incoming(identity)
        self._accepted = {} if identity is None else {"accept": unsealing.ACCEPT}
        self._path = f"/v1/blobs/{file.digest}"
        self._hasher = hashlib.sha256()

    def finish(self, pieces: Path) -> None:
        """Raises `DigestMismatch`, `DecryptionFailed`, `Unavailable` and what is answered."""
        pays = self._connections > 1 and ranges.pays(self._file.size, self._sink.tell())
        if pays:
            self._sink.truncate(ranges.begun(self._sink.tell()))
        self._sink.seek(0)
        self._hasher = hashlib.file_digest(self._sink, "sha256")
        if pays:
            self._come_in_ranges(pieces)
        self._patiently(self._stream)
        shutil.rmtree(pieces, ignore_errors=True)
        self._sink.flush()
        os.fsync(self._sink.fileno())
        self._compare()

    def _come_in_ranges(self, pieces: Path) -> None:
        """As far as it goes: all of it, or less where somebody on the way knows no ranges."""
        have, size = self._sink.tell(), self._file.size
        self._patiently(self._look)
        try:
            ranges.bring(
                pieces, have, size, at_once=self._connections, ask=self._range, take=self._take
            )
        except ranges.NoRanges:
            return

    def _patiently(self, act: Callable[[], None]) -> None:
        failures = 0
        while True:
            before = self._sink.tell()
            try:
                act()
                break
            except errors.Unavailable:
                failures = failures + 1 if self._sink.tell() == before else 0
                if failures >= _ATTEMPTS:
                    raise
                time.sleep(_FIRST_DELAY_SECONDS * 2**failures)

    def _stream(self) -> None:
        start = self._sink.tell()
        if start >= self._file.size:
            return
        asked = self._asking(start)
        with self._answer(asked) as response:
            if self._incoming.is_sealed(response):
                pieces = self._incoming.opened(response, start)
            else:
                pieces = _rest(response, start)
            for piece in pieces:
                if self._sink.tell() + len(piece) > self._file.size:
                    raise errors.DigestMismatch(
                        f"file {self._file.path!r} is longer than the {self._file.size} bytes "
                        "of the manifest"
                    )
                self._take(piece)

    def _asking(self, start: int) -> dict[str, str]:
        """The header lines that ask for the rest of a file, in the form it comes in."""
        if not start:
            return self._accepted
        self._look()
        sealed = self._incoming.sealed
        if sealed is not None:
            return self._accepted | sealed.asking_from(start)
        return {"range": f"bytes={start}-"}

    def _look(self) -> None:
        """Learn in which form a file comes, where both are possible and it is not known yet."""
        if not self._accepted or self._incoming.sealed is not None:
            return
        with self._answer(self._accepted | {"range": unsealing.LOOK}) as response:
            if response.status_code != HTTPStatus.OK:
                answers.require(response, HTTPStatus.PARTIAL_CONTENT)
            if self._incoming.is_sealed(response):
                self._incoming.look(response)

    def _range(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, or the first of them; used by several threads."""
        sealed, size = self._incoming.sealed, self._file.size
        if sealed is None:
            first, end, whole = start, stop, size
            asked = {"range": f"bytes={start}-{stop - 1}"}
        else:
            first, end, whole = sealed.span(start, stop, size)
            asked = self._accepted | {"range": f"bytes={first}-{end - 1}", "if-range": sealed.tag}
        with self._answer(asked) as response:
            self._require_span(response, first, end, whole)
            if sealed is None:
                yield from response.iter_raw()
            else:
                yield from sealed.part(response, start, is_last=stop == size)

    def _require_span(self, response: httpx2.Response, first: int, end: int, whole: int) -> None:
        if response.status_code == HTTPStatus.OK:
            raise ranges.NoRanges
        answers.require(response, HTTPStatus.PARTIAL_CONTENT)
        found = _SPAN.fullmatch(response.headers.get("content-range", ""))
        if found is None or (int(found[1]), int(found[2])) != (first, end - 1):
            raise ranges.NoRanges
        if found[3] is not None and int(found[3]) != whole:
            raise errors.DigestMismatch(
                f"file {self._file.path!r} is sent as one of {found[3]} bytes, by the manifest it "
                f"would be one of {whole}"
            )

    def _take(self, data: bytes | memoryview) -> None:
        self._sink.write(data)
        self._hasher.update(data)

    @contextmanager
    def _answer(self, asked: dict[str, str]) -> Iterator[httpx2.Response]:
        registry = str(self._client.base_url).rstrip("/")
        with (
            answers.named(registry),
            self._client.stream("GET", self._path, headers=asked) as response,
        ):
            yield response

    def _compare(self) -> None:
        file, size, hexdigest = self._file, self._sink.tell(), self._hasher.hexdigest()
        if size != file.size:
            raise errors.DigestMismatch(
                f"file {file.path!r} ends after {size} of {file.size} bytes: it is truncated"
            )
        if f"sha256:{hexdigest}" != file.digest:
            raise errors.DigestMismatch(
                f"file {file.path!r} has the digest sha256:{hexdigest}, the manifest says "
                f"{file.digest}"
            )


def _rest(response: httpx2.Response, start: int) -> Iterator[bytes]:
    """The bytes from `start` on; who ignores `Range`, as some proxies do, sends them all again."""
    if response.status_code != HTTPStatus.OK:
        answers.require(response, HTTPStatus.PARTIAL_CONTENT)
        start = 0
    for piece in response.iter_raw():
        if start < len(piece):
            yield piece[start:]
        start = max(start - len(piece), 0)
