"""The registry as a host sees it: envelope, blobs, events. Nobody else speaks HTTP out.

Nothing that comes back is believed here: files are compared with the size and digest that were
given (`runtime.download`), the envelope is checked by who asked for it.
"""

import shutil
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from registry import errors, traceparent
from registry.core import canonical, fields
from registry.core.age import Identity
from registry.core.canonical import Json
from registry.core.envelope import Wanted
from registry.core.oms import File
from runtime import answers, tls
from runtime.download import Download

if TYPE_CHECKING:
    from runtime.membership import Membership

_ENVELOPE_LIMIT = 16 * 1024 * 1024
_TIMEOUT = httpx2.Timeout(30, connect=5)


@dataclass(frozen=True, slots=True)
class Registry:
    """One registry. The token is read from its file at each request, so it may be rotated.

    With an `identity` files may come encrypted to it; with a `membership` the host shows its
    certificate and no token. The registry's own must be from `authority`, if that is named.
    A large file comes over so many `connections` at once.
    """

    url: str
    token_file: Path | None
    identity: Identity | None = None
    membership: "Membership | None" = None
    authority: Path | None = None
    connections: int = 4

    def envelope(self, wanted: Wanted) -> bytes:
        """The pull envelope as received; raises `PlimsollError`s."""
        path = f"/v1/models/{wanted.model}/versions/{wanted.version}/bundle?digest={wanted.digest}"
        received = bytearray()
        with (
            self._client() as client,
            answers.named(self.url),
            client.stream("GET", path) as response,
        ):
            answers.require(response, HTTPStatus.OK)
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > _ENVELOPE_LIMIT:
                    raise errors.TooLarge(f"the pull envelope is over {_ENVELOPE_LIMIT} bytes")
        return bytes(received)

    def download(self, file: File, target: Path, pieces: Path) -> None:
        """Bring `target` to be `file`, synced, from whatever is there; raises `DigestMismatch`.

        `pieces` is a folder for what comes before its turn; it is gone afterwards.
        """
        resumed = pieces.exists() or (target.exists() and target.stat().st_size > 0)
        try:
            self._download(file, target, pieces)
        except errors.DigestMismatch:
            target.unlink()
            shutil.rmtree(pieces, ignore_errors=True)
            if not resumed:
                raise
            # What an earlier pull left was not of this file: once more, from zero.
            self._download(file, target, pieces)

    def post_event(self, event: dict[str, Json]) -> None:
        """Record one event; the same id again is a quiet success. Raises `PlimsollError`s."""
        with self._client() as client, answers.named(self.url):
            body = canonical.encode(event)
            response = client.post(
                "/v1/events", content=body, headers={"content-type": "application/json"}
            )
            if response.status_code != HTTPStatus.CREATED:
                answers.require(response, HTTPStatus.OK)

    def checkpoint(self) -> str:
        """The log's newest checkpoint, unverified; raises `PlimsollError`s."""
        with self._client() as client, answers.named(self.url):
            response = client.get("/log/checkpoint")
            answers.require(response, HTTPStatus.OK)
        return response.text

    def consistency(self, old: int, new: int) -> list[bytes]:
        """What shall prove that the log of `new` entries extends that of `old`."""
        with self._client() as client, answers.named(self.url):
            response = client.get("/log/consistency", params={"from": old, "to": new})
            answers.require(response, HTTPStatus.OK)
        answer = canonical.decode_object(response.content, what="consistency answer")
        hashes = fields.sequence(answer, "hashes", what="consistency answer")
        return [fields.unbase64(one, what="consistency proof") for one in hashes]

    def cosign(self, text: str) -> None:
        """Tell the registry of a checkpoint with this host's cosignature."""
        with self._client() as client, answers.named(self.url):
            plain = {"content-type": "text/plain"}
            response = client.post("/log/cosignatures", content=text.encode(), headers=plain)
            answers.require(response, HTTPStatus.OK)

    def _download(self, file: File, target: Path, pieces: Path) -> None:
        with self._client() as client, target.open("ab+") as sink:
            Download(client, file, sink, self.identity, self.connections).finish(pieces)

    def _client(self) -> httpx2.Client:
        headers = {"accept-encoding": "identity", **traceparent.headers()}
        if self.membership is not None:
            context = self.membership.context()
        else:
            context = tls.trusting(self.authority)
            headers["authorization"] = f"Bearer {self._token()}"
        return httpx2.Client(base_url=self.url, headers=headers, timeout=_TIMEOUT, verify=context)

    def _token(self) -> str:
        try:
            return "" if self.token_file is None else self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise errors.Unauthenticated(
                f"{self.token_file}: cannot be read: {error}",
                fix="write the host's registry token into this file",
            ) from error
