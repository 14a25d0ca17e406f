"""One request at a time out of a connection's bytes, within limits.

The methods named `on_…` are called by httptools. A limit that is passed raises out of them, which
ends the parser: after a fault nobody knows where the next request would begin.
"""

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

import httptools

from registry import errors
from runtime import refusals
from runtime.protocols import http
from runtime.protocols.http import Request
from runtime.room import Room
from runtime.wire import repeated
from runtime.wire.repeated import Head

_HEAD_BYTES = 64 * 1024
_HEADERS = 128
# Smaller ones are bounded by the number of connections, and most are.
_UNCOUNTED_BYTES = 64 * 1024
# So many heads are remembered in vain before a client is known for one that never repeats itself.
_CHANCES = 16
# So many bytes of sizes and line ends may come with each byte of a body in the smallest chunks.
_FRAMING = 8
# A path that is as long is hardly asked for again.
_SHORT = 256
_VERSIONS = {"1.1", "1.0"}
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
    that it may send its body. Large bodies take of `room` until `answered` or `closed`."""

    __slots__ = (
        "_arriving", "_body", "_body_limit", "_chances", "_error", "_fed", "_fields", "_head",
        "_head_bytes", "_headers", "_held", "_is_past_head", "_most", "_parser", "_room", "_target",
        "continues", "is_amid", "is_last", "requests",
    )  # fmt: skip

    def __init__(self, *, body_limit: int, room: Room) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body_limit = body_limit
        self._room = room
        self._head: Head | None = None
        self._chances = _CHANCES
        self._most = min(body_limit, _UNCOUNTED_BYTES)
        self._arriving = 0
        self._held: deque[int] = deque()
        self._error: errors.PlimsollError | None = None
        self.requests: list[Request] = []
        self.is_amid = False
        self.is_last = False
        self.continues = False
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: bytes | bytearray = b""
        self._fed = self._fields = self._head_bytes = 0
        self._is_past_head = False
        self.continues = False

    def feed(self, data: bytes) -> Fault | None:
        """Read `data`; after a fault, or once `is_last`, nothing more is to be fed."""
        was_amid = self.is_amid
        if self._head is not None and not was_amid:
            found = self._head.request(data)
            if found is not None:
                self._chances = _CHANCES
                self._held.append(0)
                self.requests.append(found)
                return None
        fault = self._parsed(data)
        is_whole = not was_amid and not self.is_amid and len(self.requests) == 1
        if is_whole and fault is None and not self.is_last and self._chances:
            self._chances -= 1
            self._head = repeated.head(data, self.requests[0], self._most)
        return fault

    def _parsed(self, data: bytes) -> Fault | None:
        headers = self._headers if self.is_amid else None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is spoken: the request is answered, and then it ends.
            self.is_last = True
        except httptools.HttpParserError as error:
            found = self._error or refusals.MalformedRequest(f"this is not HTTP/1.1: {error}")
            return Fault(_path_and_query(self._target)[0], found)
        # The parser keeps a line to itself until it ends; what came with its begin is let pass.
        if self.is_amid and self._headers is headers:
            self._fed += len(data)
        if self._fed > _HEAD_BYTES + _FRAMING * len(self._body):
            return Fault(_path_and_query(self._target)[0], _head_too_large())
        return None

    def answered(self) -> None:
        """The first of the requests that came whole is in memory no more."""
        if taken := self._held.popleft():
            self._room.give_back(taken)

    def closed(self) -> None:
        """None is, whole or not, and none will come."""
        self._room.give_back(self._arriving + sum(self._held))
        self._arriving = 0
        self._held.clear()

    def on_message_begin(self) -> None:
        self._begin()
        self.is_amid = True

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._fields += 1
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > _HEAD_BYTES:
            self._refuse(_head_too_large())
        if self._is_past_head:
            return  # a trailer; merged into the head it would say what no proxy has seen
        headers = self._headers
        if name not in headers:
            headers[name] = value
        elif name in _SINGLE:
            self._refuse(
                refusals.MalformedRequest(f"the header {name.decode('latin-1')!r} comes twice")
            )
        else:
            headers[name] += b", " + value
        if self._fields > _HEADERS:
            self._refuse(refusals.HeadTooLarge(f"the request has over {_HEADERS} headers"))

    def on_headers_complete(self) -> None:
        self._is_past_head = True
        headers = self._headers
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            self._refuse(refusals.MalformedRequest("HTTP is spoken here in version 1.1 or 1.0"))
        if b"host" not in headers and version == "1.1":
            self._refuse(refusals.MalformedRequest("the request has no Host header"))
        if version == "1.0" and b"transfer-encoding" in headers:
            # RFC 9112, 6.1: whoever passed it on may not have seen where the body ends.
            self._refuse(refusals.MalformedRequest("HTTP/1.0 has no transfer codings"))
        if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            self._refuse(refusals.MalformedRequest("the only transfer coding here is chunked"))
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > self._body_limit:
            self._refuse(http.too_large(self._body_limit))
        self.continues = b"expect" in headers and headers[b"expect"].lower() == b"100-continue"

    def on_body(self, body: bytes) -> None:
        self.continues = False
        if len(self._body) + len(body) > self._body_limit:
            self._refuse(http.too_large(self._body_limit))
        if len(self._body) + len(body) > _UNCOUNTED_BYTES:
            self._take(len(body))
        if not self._body:
            self._body = body
            return
        # One buffer that grows: a list of small chunks is many times as large as they are.
        if not isinstance(self._body, bytearray):
            self._body = bytearray(self._body)
        self._body += body

    def on_message_complete(self) -> None:
        self.is_amid = False
        if self.is_last:
            return  # whatever comes after the last request is nobody's
        target = self._target
        path, query = (_remembered if len(target) < _SHORT else _path_and_query)(target)
        method = self._parser.get_method().decode()
        body = self._body if type(self._body) is bytes else bytes(self._body)
        # To keep a connection, HTTP/1.0 has a header of its own; hardly anybody speaks it.
        self.is_last = (
            not self._parser.should_keep_alive() or self._parser.get_http_version() == "1.0"
        )
        self._held.append(self._arriving)
        self._arriving = 0
        self.requests.append(Request(method, path, self._headers, body, query))

    def _count(self, size: int) -> None:
        """What the head says, and the trailers, which are then thrown away."""
        self._head_bytes += size
        if self._head_bytes > _HEAD_BYTES:
            self._refuse(_head_too_large())

    def _take(self, count: int) -> None:
        if not self._room.take(count):
            self._refuse(
                errors.Busy(
                    f"the bodies of all requests together would be over {self._room.size} bytes",
                    fix="try again soon; limits.bodiesBytes is the room that they share",
                )
            )
        self._arriving += count

    def _refuse(self, error: errors.PlimsollError) -> None:
        self._error = error
        raise error


def _head_too_large() -> errors.PlimsollError:
    return refusals.HeadTooLarge(f"the request's head is over {_HEAD_BYTES} bytes")


def _path_and_query(target: bytes) -> tuple[str, str]:
    """Of `/path?query`, or of a whole URL, as RFC 9112 (3.2.2) has servers accept it."""
    path, _, query = target.partition(b"?")
    if path[:1] != b"/" and b"://" in path:
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    text = path.decode("latin-1")
    return unquote(text) if "%" in text else text, query.decode("latin-1")


_remembered = lru_cache(maxsize=256)(_path_and_query)
