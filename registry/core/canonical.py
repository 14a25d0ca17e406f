"""One byte form for one JSON value: sorted keys, no spaces, UTF-8. And its strict reading."""

import json
from typing import Never, TypeAlias

from registry.errors import InvalidInput

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def encode(value: object) -> bytes:
    """The canonical bytes of `value`; NaN and infinities raise `InvalidInput`."""
    try:
        return _ENCODER.encode(value).encode()
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"not representable as JSON: {error}") from error


def decode(data: bytes | str, *, what: str) -> Json:
    """Read JSON, refusing duplicate keys, NaN and runaway nesting; `what` names it in errors."""
    try:
        value: Json = _DECODER.decode(data if isinstance(data, str) else data.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{what} is not valid JSON: {error}") from error
    return value


def decode_object(data: bytes | str, *, what: str) -> dict[str, Json]:
    """Like `decode`, for documents that must be a JSON object."""
    value = decode(data, what=what)
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} must be a JSON object, not {type(value).__name__}")
    return value


def _without_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} appears twice")
    return found


def _no_constant(token: str) -> Never:
    raise ValueError(f"{token} is not JSON")


# Made once: a hundred thousand log entries are read and written by them.
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
