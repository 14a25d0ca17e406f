"""An answer as the bytes that go over the wire."""

import time
from email.utils import formatdate
from http import HTTPStatus

from runtime.protocols.http import Answer

_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_NO_CONTENT = 204  # a number: to look it up in its enumeration is a call
# Up to here one copy is cheaper than a second write.
_JOINED_BYTES = 256 * 1024
_dated: tuple[int, bytes] = (0, b"")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def parts(answer: Answer, *, without_body: bool, last: bool) -> list[bytes]:
    """What is written for `answer`; `without_body` for HEAD, `last` where the connection ends."""
    head = [_LINES[answer.status], b"date: ", _date(), b"\r\n"]
    for name, value in answer.headers:
        head += (name, b": ", value, b"\r\n")
    if answer.status != _NO_CONTENT:
        head.append(b"content-length: %d\r\n" % len(answer.body))
    head.append(b"connection: close\r\n\r\n" if last else b"\r\n")
    if without_body or not answer.body:
        return [b"".join(head)]
    if len(answer.body) <= _JOINED_BYTES:
        head.append(answer.body)
        return [b"".join(head)]
    return [b"".join(head), answer.body]


def _date() -> bytes:
    """The Date header, made once a second."""
    global _dated  # noqa: PLW0603  one clock for all connections
    now = int(time.time())
    if _dated[0] != now:
        _dated = now, formatdate(now, usegmt=True).encode()
    return _dated[1]
