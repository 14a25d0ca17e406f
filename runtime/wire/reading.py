"""One request at a time out of a connection's bytes, within limits.

The methods named `on_…` are called by httptools. A limit that is passed raises out of them, which
ends the parser: after a fault nobody knows where the next request would begin.
"""

from dataclasses import dataclass
from urllib.parse import unquote

import httptools

from registry import errors
from runtime import refusals
from runtime.protocols import http
from runtime.protocols.http import Request

_HEAD_BYTES = 64 * 1024
_HEADERS = 128
# A second one of these must not be taken for more of the first.
_SINGLE = {b"host", b"authorization", b"content-length", b"inference-header-content-length"}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why nothing more is read from this connection, and for which path."""

    path: str
    error: errors.PlimsollError


class Reader:
    """Bytes in by `feed`; whole requests come out in `requests`.

    `is_amid` a request, `is_last` once none follows, `continues` where a client waits to be told
    that it may send its body."""

    __slots__ = (
        "_body", "_body_limit", "_error", "_headers", "_parser", "_size", "_target",
        "continues", "is_amid", "is_last", "requests",
    )  # fmt: skip

    def __init__(self, *, body_limit: int) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body_limit = body_limit
        self._error: errors.PlimsollError | None = None
        self.requests: list[Request] = []
        self.is_amid = False
        self.is_last = False
        self.continues = False
        self._begin()

    def feed(self, data: bytes) -> Fault | None:
        """Read `data`; after a fault, or once `is_last`, nothing more is to be fed."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is spoken: the request is answered, and then it ends.
            self.is_last = True
        except httptools.HttpParserError as error:
            found = self._error or refusals.MalformedRequest(f"this is not HTTP/1.1: {error}")
            return Fault(_path_and_query(self._target)[0], found)
        return None

    def on_message_begin(self) -> None:
        self._begin()
        self.is_amid = True

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._count(len(name) + len(value))
        known = self._headers.get(name)
        if known is None:
            self._headers[name] = value
        elif name in _SINGLE:
            self._refuse(
                refusals.MalformedRequest(f"the header {name.decode('latin-1')!r} comes twice")
            )
        else:
            self._headers[name] = known + b", " + value
        if len(self._headers) > _HEADERS:
            self._refuse(refusals.HeadTooLarge(f"the request has over {_HEADERS} headers"))

    def on_headers_complete(self) -> None:
        if b"host" not in self._headers and self._parser.get_http_version() == "1.1":
            self._refuse(refusals.MalformedRequest("the request has no Host header"))
        if self._headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            self._refuse(refusals.MalformedRequest("the only transfer coding here is chunked"))
        length = self._headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > self._body_limit:
            self._refuse(http.too_large(self._body_limit))
        self.continues = self._headers.get(b"expect", b"").lower() == b"100-continue"

    def on_body(self, body: bytes) -> None:
        self.continues = False
        self._size += len(body)
        if self._size > self._body_limit:
            self._refuse(http.too_large(self._body_limit))
        self._body.append(body)

    def on_message_complete(self) -> None:
        path, query = _path_and_query(self._target)
        method = self._parser.get_method().decode()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self.is_last = not self._parser.should_keep_alive()
        self.requests.append(Request(method, path, self._headers, body, query))
        self.is_amid = False

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self.continues = False

    def _count(self, size: int) -> None:
        """Trailers count too, and are then thrown away with the headers."""
        self._size += size
        if not self._body and self._size > _HEAD_BYTES:
            self._refuse(refusals.HeadTooLarge(f"the request's head is over {_HEAD_BYTES} bytes"))

    def _refuse(self, error: errors.PlimsollError) -> None:
        self._error = error
        raise error


def _path_and_query(target: bytes) -> tuple[str, str]:
    """Of `/path?query`, or of a whole URL, as RFC 9112 (3.2.2) has servers accept it."""
    path, _, query = target.partition(b"?")
    if path[:1] != b"/" and b"://" in path:
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    text = path.decode("latin-1")
    return unquote(text) if "%" in text else text, query.decode("latin-1")
