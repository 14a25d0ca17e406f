"""A head that a client sends again and again, read once.

On a kept connection the head of one request is mostly that of the one before, to the byte, but for
the length of the body. The parser is between two requests then, as it was that time: it would come
to the same, so it need not look.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from runtime.protocols.http import Request

_LENGTH = b"content-length"
_FIELD = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,10})\r\n", re.IGNORECASE)
_LINE = b"\r\ncontent-length:"
_END = b"\r\n\r\n"
# A longer head is a rare one, and not worth its memory.
_LONGEST = 4096


class Head(NamedTuple):
    """What stands before and behind the digits of its Content-Length, and what it says.

    Bodies of more than `most` bytes are left to the parser, which counts them.
    """

    before: bytes
    digits: bytes
    after: bytes
    method: str
    path: str
    headers: Mapping[bytes, bytes]
    query: str
    most: int

    def request(self, data: bytes) -> Request | None:
        """The one request that `data` is; None where it has another head, or is not one whole."""
        before, after = self.before, self.after
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + 11)
        digits = data[start:end]
        if end < 0 or not data.startswith(after, end) or not digits.isdigit():
            return None
        size, begin = int(digits), end + len(after)
        if size > self.most or len(data) != begin + size:
            return None
        headers = self.headers if digits == self.digits else {**self.headers, _LENGTH: digits}
        return Request(self.method, self.path, headers, data[begin:], self.query)


def head(data: bytes, request: Request, most: int) -> Head | None:
    """That of `request`, which all of `data` was; None for what is not to be read like this: a body
    in chunks or without a length, a client that waits to be told to send it, a head of more words
    than most have."""
    body, headers = request.body, request.headers
    end = len(data) - len(body)
    if end > _LONGEST or len(body) > most or data.find(_END, 0, end) != end - len(_END):
        return None
    if b"transfer-encoding" in headers or b"expect" in headers:
        return None
    head = data[:end]
    field = _FIELD.search(head)
    if field is None or field[1] != headers.get(_LENGTH) or head.lower().count(_LINE) != 1:
        return None
    if int(field[1]) != len(body) or data[end:] != body:
        return None
    before, digits, after = head[: field.start(1)], field[1], head[field.end(1) :]
    return Head(before, digits, after, request.method, request.path, headers, request.query, most)
