"""The registry as a host sees it: envelope, blobs, events. The only place that speaks HTTP out.

Nothing that comes back is believed here: `download` compares with the size and digest it was
given, the envelope is checked by who asked for it. A cut connection resumes where it stopped,
a bounded number of times in a row.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import httpx2

from registry import errors
from registry.core import canonical, fields
from registry.core.age import Identity
from registry.core.canonical import Json
from registry.core.envelope import Wanted
from registry.core.oms import File
from runtime import membership, unsealing
from runtime.membership import Membership
from runtime.unsealing import Incoming

if TYPE_CHECKING:
    from hashlib import _Hash

_ENVELOPE_LIMIT = 16 * 1024 * 1024
_ATTEMPTS = 4
_FIRST_DELAY_SECONDS = 0.1
_TIMEOUT = httpx2.Timeout(30, connect=5)
_INTEGRITY_CODES = {"integrity", "digest_mismatch", "signature_invalid", "log_forked"}


@dataclass(frozen=True, slots=True)
class Registry:
    """One registry. The token is read from its file at each request, so it may be rotated.

    With an `identity` files may come encrypted to it; with a `membership` the host shows its
    certificate and no token. The registry's own must be from `authority`, if that is named.
    """

    url: str
    token_file: Path | None
    identity: Identity | None = None
    membership: Membership | None = None
    authority: Path | None = None

    def envelope(self, wanted: Wanted) -> bytes:
        """The pull envelope as received; raises `PlimsollError`s."""
        path = f"/v1/models/{wanted.model}/versions/{wanted.version}/bundle?digest={wanted.digest}"
        received = bytearray()
        with self._client() as client, _named(self.url), client.stream("GET", path) as response:
            _require(response, HTTPStatus.OK)
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > _ENVELOPE_LIMIT:
                    raise errors.TooLarge(f"the pull envelope is over {_ENVELOPE_LIMIT} bytes")
        return bytes(received)

    def download(self, file: File, target: Path) -> None:
        """Bring `target` to be `file`, synced, from whatever is there; raises `DigestMismatch`."""
        resumed = target.exists() and target.stat().st_size > 0
        try:
            self._download(file, target)
        except errors.DigestMismatch:
            target.unlink()
            if not resumed:
                raise
            # What an earlier pull left was not the beginning of this file: once more, from zero.
            self._download(file, target)

    def post_event(self, event: dict[str, Json]) -> None:
        """Record one event; the same id again is a quiet success. Raises `PlimsollError`s."""
        with self._client() as client, _named(self.url):
            body = canonical.encode(event)
            response = client.post(
                "/v1/events", content=body, headers={"content-type": "application/json"}
            )
            if response.status_code != HTTPStatus.CREATED:
                _require(response, HTTPStatus.OK)

    def checkpoint(self) -> str:
        """The log's newest checkpoint, unverified; raises `PlimsollError`s."""
        with self._client() as client, _named(self.url):
            response = client.get("/log/checkpoint")
            _require(response, HTTPStatus.OK)
        return response.text

    def consistency(self, old: int, new: int) -> list[bytes]:
        """What shall prove that the log of `new` entries extends that of `old`."""
        with self._client() as client, _named(self.url):
            response = client.get("/log/consistency", params={"from": old, "to": new})
            _require(response, HTTPStatus.OK)
        answer = canonical.decode_object(response.content, what="consistency answer")
        hashes = fields.sequence(answer, "hashes", what="consistency answer")
        return [fields.unbase64(one, what="consistency proof") for one in hashes]

    def cosign(self, text: str) -> None:
        """Tell the registry of a checkpoint with this host's cosignature."""
        with self._client() as client, _named(self.url):
            plain = {"content-type": "text/plain"}
            response = client.post("/log/cosignatures", content=text.encode(), headers=plain)
            _require(response, HTTPStatus.OK)

    def _download(self, file: File, target: Path) -> None:
        with target.open("ab+") as sink, self._client() as client:
            hasher, incoming = _hash_of(sink), Incoming(self.identity)
            failures = 0
            while True:
                before = sink.tell()
                try:
                    self._stream(client, file, incoming, sink, hasher)
                    break
                except errors.Unavailable:
                    failures = failures + 1 if sink.tell() == before else 0
                    if failures >= _ATTEMPTS:
                        raise
                    time.sleep(_FIRST_DELAY_SECONDS * 2**failures)
            sink.flush()
            os.fsync(sink.fileno())
            _compare(file, sink.tell(), hasher.hexdigest())

    def _stream(
        self,
        client: httpx2.Client,
        file: File,
        incoming: Incoming,
        sink: BinaryIO,
        hasher: "_Hash",
    ) -> None:
        start = sink.tell()
        if start >= file.size:
            return
        path = f"/v1/blobs/{file.digest}"
        asked = self._asking(client, path, incoming, start)
        with _named(self.url), client.stream("GET", path, headers=asked) as response:
            if incoming.is_sealed(response):
                pieces = incoming.opened(response, start)
            else:
                pieces = _rest(response, start)
            for piece in pieces:
                if sink.tell() + len(piece) > file.size:
                    raise errors.DigestMismatch(
                        f"file {file.path!r} is longer than the {file.size} bytes of the manifest"
                    )
                sink.write(piece)
                hasher.update(piece)

    def _asking(
        self, client: httpx2.Client, path: str, incoming: Incoming, start: int
    ) -> dict[str, str]:
        """The header lines that ask for the rest of a file, in the form it comes in."""
        accepted = {} if self.identity is None else {"accept": unsealing.ACCEPT}
        if not start:
            return accepted
        if self.identity is not None and incoming.sealed is None:
            asked = accepted | {"range": unsealing.LOOK}
            with _named(self.url), client.stream("GET", path, headers=asked) as response:
                if incoming.is_sealed(response):
                    incoming.look(response)
        if incoming.sealed is not None:
            return accepted | incoming.sealed.asking_from(start)
        return {"range": f"bytes={start}-"}

    def _client(self) -> httpx2.Client:
        headers = {"accept-encoding": "identity"}
        if self.membership is not None:
            context = self.membership.context()
        else:
            context = membership.trusting(self.authority)
            headers["authorization"] = f"Bearer {self._token()}"
        return httpx2.Client(base_url=self.url, headers=headers, timeout=_TIMEOUT, verify=context)

    def _token(self) -> str:
        try:
            return "" if self.token_file is None else self.token_file.read_text().strip()
        except OSError as error:
            raise errors.Unauthenticated(
                f"{self.token_file}: cannot be read: {error.strerror}",
                fix="write the host's registry token into this file",
            ) from error


class _named:  # noqa: N801  reads as a verb where it is used
    """Turns a transport failure into `Unavailable` with the registry's name in it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, httpx2.HTTPError):
            what = str(error) or type(error).__name__
            raise errors.Unavailable(f"registry {self._url} did not answer: {what}") from error


def _require(response: httpx2.Response, wanted: HTTPStatus) -> None:
    status = response.status_code
    if status == wanted:
        return
    response.read()
    code, detail = _problem(response)
    said = f"registry answered {status} to {response.request.url.path}: {detail}"
    if code in _INTEGRITY_CODES:
        raise errors.IntegrityError(said)
    if status == HTTPStatus.UNAUTHORIZED:
        raise errors.Unauthenticated(said, fix="give the host a new token")
    if status == HTTPStatus.FORBIDDEN:
        raise errors.Forbidden(said, fix="give the host a token of the role 'host'")
    if status == HTTPStatus.NOT_FOUND:
        raise errors.NotFound(said)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise errors.DigestMismatch(f"{said}: the stored file is shorter than the manifest says")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise errors.Unavailable(said)
    raise errors.InvalidInput(said)


def _rest(response: httpx2.Response, start: int) -> Iterator[bytes]:
    """The bytes from `start` on; who ignores `Range`, as some proxies do, sends them all again."""
    if response.status_code != HTTPStatus.OK:
        _require(response, HTTPStatus.PARTIAL_CONTENT)
        start = 0
    for piece in response.iter_raw():
        if start < len(piece):
            yield piece[start:]
        start = max(start - len(piece), 0)


def _problem(response: httpx2.Response) -> tuple[str, str]:
    """Code and detail of a problem+json answer; the first of the text where it is none."""
    try:
        document = canonical.decode_object(response.content, what="problem")
    except errors.InvalidInput:
        return "", response.text[:200]
    return str(document.get("code", "")), str(document.get("detail", ""))[:500]


def _hash_of(sink: BufferedRandom) -> "_Hash":
    sink.seek(0)
    return hashlib.file_digest(sink, "sha256")


def _compare(file: File, size: int, hexdigest: str) -> None:
    if size != file.size:
        raise errors.DigestMismatch(
            f"file {file.path!r} ends after {size} of {file.size} bytes: it is truncated"
        )
    if f"sha256:{hexdigest}" != file.digest:
        raise errors.DigestMismatch(
            f"file {file.path!r} has the digest sha256:{hexdigest}, the manifest says {file.digest}"
        )
