"""The registry over HTTP, for the command line: calls, bounded retries, errors by their codes.

What may be repeated without harm is tried again a few times; the rest only where the request
never reached the server.
"""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse
from typing import Self
from urllib.parse import urlencode

from registry import errors
from registry.cli import wire
from registry.core import canonical, fields, problem
from registry.core.canonical import Json

ATTEMPTS = 4
_PAGE = 1000
_ASKED_AT_ONCE = 10_000
_AGAIN = frozenset({502, 503, 504})
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class LogPage:
    """The log's size when it was asked, and (index, leaf) pairs."""

    size: int
    leaves: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class _Passing:
    """A failure that another try may get around; `has_arrived`: the server may have acted."""

    error: errors.PlimsollError
    has_arrived: bool


class Client:
    """One registry. `token` may be empty for what is open to everybody, `authority` (a file that
    the registry's certificate must be from) for the system's own.
    """

    def __init__(self, url: str, token: str = "", authority: str = "") -> None:
        self.url = url.rstrip("/")
        self.has_token = bool(token)
        self.wire = wire.to(url, token, authority)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.wire.close()

    def models(self) -> list[dict[str, Json]]:
        """All, each with its newest version alone."""
        return list(self.pages("/v1/models", "models", {}))

    def search(self, filters: str, *, order_by: Sequence[str], limit: int) -> list[dict[str, Json]]:
        """The first versions that fit."""
        size = str(max(1, min(limit, _PAGE)))
        wanted = {"filter": filters, "orderBy": ", ".join(order_by), "maxResults": size}
        return list(itertools.islice(self.pages("/v1/versions", "versions", wanted), limit))

    def model(self, name: str) -> dict[str, Json]:
        return self.document("GET", f"/v1/models/{name}")

    def version(self, model: str, version: int) -> dict[str, Json]:
        return self.document("GET", f"/v1/models/{model}/versions/{version}")

    def publish(self, model: str, document: Mapping[str, Json]) -> dict[str, Json]:
        """With a number in it, it may be repeated; without, a repetition takes the next one."""
        is_repeatable = document.get("version") is not None
        body = canonical.encode(document)
        path = f"/v1/models/{model}/versions"
        return self.document("POST", path, body, is_repeatable=is_repeatable)

    def add_variant(
        self, model: str, version: int, document: Mapping[str, Json]
    ) -> dict[str, Json]:
        """Repeating it is safe: the same variant again is the one that is there."""
        path = f"/v1/models/{model}/versions/{version}/variants"
        return self.document("POST", path, canonical.encode(document))

    def package(self, model: str, version: int, base: str, variant: str = "") -> dict[str, Json]:
        """Repeating it is safe: the same image again is the one that is there."""
        path = f"/v1/models/{model}/versions/{version}/images"
        return self.document("POST", path, canonical.encode({"base": base, "variant": variant}))

    def change_version(self, model: str, version: int, edit: Mapping[str, Json]) -> dict[str, Json]:
        path = f"/v1/models/{model}/versions/{version}"
        return self.document("PATCH", path, canonical.encode(edit))

    def change_model(self, model: str, edit: Mapping[str, Json]) -> dict[str, Json]:
        return self.document("PATCH", f"/v1/models/{model}", canonical.encode(edit))

    def card(self, model: str, version: int) -> str:
        """The model card's text, empty where there is none."""
        found = self.document("GET", f"/v1/models/{model}/versions/{version}/card")
        return fields.text(found, "card", what="model card")

    def lineage(self, model: str, version: int) -> dict[str, Json]:
        return self.document("GET", f"/v1/models/{model}/versions/{version}/lineage")

    def envelope(self, model: str, version: int, *, digest: str = "") -> bytes:
        """The pull envelope of the variant with this digest, or of the first; unverified."""
        path = f"/v1/models/{model}/versions/{version}/bundle"
        return self.call("GET", path, parameters={"digest": digest}).content

    def alias(self, model: str, alias: str) -> int:
        """The version that the alias points at."""
        found = self.document("GET", f"/v1/models/{model}/aliases/{alias}")
        return fields.integer(found, "version", what="alias")

    def move_alias(self, model: str, alias: str, version: int, reason: str) -> dict[str, Json]:
        body = canonical.encode({"version": version, "reason": reason})
        return self.document("PUT", f"/v1/models/{model}/aliases/{alias}", body)

    def remove_alias(self, model: str, alias: str, reason: str) -> None:
        path = f"/v1/models/{model}/aliases/{alias}"
        self.call("DELETE", path, parameters={"reason": reason})

    def deployments(self) -> list[dict[str, Json]]:
        return list(self.pages("/v1/deployments", "deployments", {}))

    def deployment(self, key: str) -> dict[str, Json]:
        return self.document("GET", f"/v1/deployments/{key}")

    def create_token(self, role: str, name: str, **more: Json) -> str:
        """Not repeated: a second try would leave a token that nobody knows."""
        body = canonical.encode({"role": role, "name": name} | more)
        answer = self.document("POST", "/v1/tokens", body, is_repeatable=False)
        return fields.text(answer, "token", what="new token")

    def tokens(self) -> list[dict[str, Json]]:
        """All of them, without their secrets."""
        return list(self.pages("/v1/tokens", "tokens", {"maxResults": "1000"}))

    def revoke_token(self, token_id: str, reason: str) -> None:
        self.call("DELETE", f"/v1/tokens/{token_id}", parameters={"reason": reason})

    def trust(self) -> bytes:
        """The trust root as the registry itself states it."""
        return self.call("GET", "/v1/trust").content

    def checkpoint(self) -> str:
        """The newest checkpoint, unverified."""
        return self.call("GET", "/log/checkpoint").content.decode(errors="replace")

    def log_page(self, start: int, limit: int) -> LogPage:
        found = self.document("GET", f"/log/entries?start={start}&limit={limit}")
        leaves = tuple(
            (
                fields.integer(item, "index", what="log page"),
                fields.base64_bytes(item, "leaf", what="log page"),
            )
            for item in fields.objects(found, "entries", what="log page")
        )
        return LogPage(fields.integer(found, "size", what="log page"), leaves)

    def tile(self, path: str) -> bytes:
        """A tile or an entry bundle (C2SP tlog-tiles), unverified."""
        return self.call("GET", f"/log/{path}").content

    def documents(self, start: int, stop: int) -> Iterator[tuple[int, str, bytes]]:
        """(index, role, content) of what proves the entries from `start` up to `stop`."""
        what = "audit documents"
        while start < stop:
            found = self.document("GET", f"/v1/audit/documents?start={start}&stop={stop}")
            for item in fields.objects(found, "documents", what=what):
                yield (
                    fields.integer(item, "index", what=what),
                    fields.text(item, "role", what=what),
                    fields.base64_bytes(item, "content", what=what),
                )
            following = fields.integer(found, "following", what=what)
            if following <= start:
                raise errors.IntegrityError(f"{what}: the page after {start} is {following}")
            start = following

    def consistency(self, old: int, new: int) -> list[bytes]:
        found = self.document("GET", f"/log/consistency?from={old}&to={new}")
        listed = fields.sequence(found, "hashes", what="consistency proof")
        return [fields.unbase64(item, what="consistency proof") for item in listed]

    def pages(
        self, path: str, name: str, parameters: Mapping[str, str]
    ) -> Iterator[dict[str, Json]]:
        """What a list holds under `name`, page after page, as it is asked for."""
        token: Json = None
        while True:
            more = {"pageToken": token} if isinstance(token, str) else {}
            answer = self.call("GET", path, parameters={**parameters, **more})
            found = canonical.decode_object(answer.content, what=f"answer to GET {path}")
            yield from fields.objects(found, name, what=name)
            token = found.get("nextPageToken")
            if not token:
                return

    @contextmanager
    def receiving(
        self, method: str, path: str, document: Mapping[str, Json] | None = None
    ) -> Iterator[HTTPResponse]:
        """A successful answer, for its body to be read as it comes. The caller checks it."""
        body = () if document is None else (canonical.encode(document),)
        try:
            with self.wire.asking(method, path, _JSON, body) as answer:
                if answer.status != HTTPStatus.OK:
                    what = f"{self.url}: {method} {path}"
                    raise problem.error_from(answer.status, answer.read(), what=what)
                yield answer
        except wire.BROKEN as error:
            raise self.unreachable(error) from error

    def missing_blobs(self, digests: Sequence[str]) -> set[str]:
        """Those whose bytes the registry does not hold yet."""
        found: set[str] = set()
        for start in range(0, len(digests), _ASKED_AT_ONCE):
            asked: list[Json] = list(digests[start : start + _ASKED_AT_ONCE])
            answer = self.call("POST", "/v1/missing-blobs", canonical.encode({"digests": asked}))
            document = canonical.decode_object(answer.content, what="missing blobs")
            listed = fields.sequence(document, "digests", what="missing blobs")
            found |= {str(digest) for digest in listed}
        return found

    def call(
        self,
        method: str,
        path: str,
        body: bytes | wire.Body = b"",
        *,
        parameters: Mapping[str, str] | None = None,
        is_repeatable: bool = True,
        headers: Mapping[str, str] = _JSON,
    ) -> wire.Answer:
        """The answer, if it is a success; else raises the error that it stands for."""
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        parts = (body,) if isinstance(body, bytes) else body
        attempt = 1
        while True:
            outcome = self._once(method, target, headers, parts)
            if isinstance(outcome, wire.Answer):
                return outcome
            may_repeat = is_repeatable or not outcome.has_arrived
            if attempt == ATTEMPTS or not may_repeat:
                raise outcome.error
            time.sleep(0.2 * 2**attempt)
            attempt += 1

    def send(self, method: str, path: str, headers: Mapping[str, str], body: wire.Body) -> None:
        """Once, where another try would not be the same; raises the error it stands for."""
        outcome = self._once(method, path, headers, body)
        if isinstance(outcome, _Passing):
            raise outcome.error

    def _once(
        self, method: str, target: str, headers: Mapping[str, str], body: wire.Body
    ) -> wire.Answer | _Passing:
        """Raises what will not pass, returns what may."""
        has_arrived = False
        try:
            self.wire.ready()
            has_arrived = True
            answer = self.wire.ask(method, target, headers, body)
        except wire.BROKEN as error:
            return _Passing(self.unreachable(error), has_arrived=has_arrived)
        if answer.is_success:
            return answer
        failure = problem.error_from(answer.status, answer.content, what=self.url)
        if answer.status in _AGAIN:
            return _Passing(failure, has_arrived=True)
        raise failure

    def unreachable(self, error: Exception) -> errors.Unavailable:
        return errors.Unavailable(
            f"the registry at {self.url} does not answer: {error}",
            fix="start it, or name the right one with --server or PLIMSOLL_SERVER",
        )

    def document(
        self, method: str, path: str, body: bytes = b"", *, is_repeatable: bool = True
    ) -> dict[str, Json]:
        answer = self.call(method, path, body, is_repeatable=is_repeatable)
        return canonical.decode_object(answer.content, what=f"answer to {method} {path}")
