"""Where a page of a list ended, as a text that the next call brings back.

It holds the last row's sort values and a mark of what was asked, so nothing is kept between
calls, any replica goes on, and a cursor does not fit another list. It is no secret: who forges
one gets a page from another place of a list that is open to them anyway.
"""

import base64
import binascii
import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from registry.core import canonical, reader
from registry.core.canonical import Json
from registry.errors import InvalidInput

Position: TypeAlias = tuple[str | int | float | datetime | None, ...]

_VERSION = 1
_MARK_BYTES = 8
_LENGTH_LIMIT = 8192
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode(position: Position, *, asked: str) -> str:
    """URL-safe, from the sort values of the last row; `asked` says what list it is."""
    body = canonical.encode([_written(value) for value in position])
    data = bytes([_VERSION]) + _mark(asked, body) + body
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str, *, asked: str, kinds: Sequence[type]) -> Position:
    """What `encode` was given for the same list; raises InvalidInput for anything else.

    `kinds` are the types of the sort values: str, int, float or datetime; each may be None.
    """
    try:
        data = _bytes(text)
        version, mark, body = data[:1], data[1 : 1 + _MARK_BYTES], data[1 + _MARK_BYTES :]
        if version != bytes([_VERSION]) or mark != _mark(asked, body):
            raise _unfit()
        values = canonical.decode(body, what="page token")
        if not isinstance(values, list) or len(values) != len(kinds):
            raise _unfit()
        return tuple(_read(value, kind) for value, kind in zip(values, kinds, strict=True))
    except (ValueError, OverflowError, InvalidInput) as error:
        raise _unfit() from error


def _bytes(text: str) -> bytes:
    if len(text) > _LENGTH_LIMIT or not text.isascii():
        raise _unfit()
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise _unfit() from error


def _mark(asked: str, body: bytes) -> bytes:
    said = asked.encode()
    return hashlib.sha256(len(said).to_bytes(8, "big") + said + body).digest()[:_MARK_BYTES]


def _written(value: str | float | datetime | None) -> Json:
    return (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value


def _read(value: Json, kind: type) -> str | int | float | datetime | None:
    if value is None:
        return None
    if kind is str and isinstance(value, str) and reader.can_be_kept(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unfit()
    if kind is float and math.isfinite(value):
        return float(value)
    if not isinstance(value, int) or not abs(value) < 2**63:
        raise _unfit()
    return _EPOCH + value * _MICROSECOND if kind is datetime else value


def _unfit() -> InvalidInput:
    return InvalidInput(
        "this page token is not one of this list",
        fix="take nextPageToken of the answer before, with the same filter and order",
    )
