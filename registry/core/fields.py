"""Reads typed fields out of parsed JSON; a missing or ill-typed one raises `InvalidInput`.

Every document that comes from outside (bundle, envelope, trust root, log leaf) is taken apart
through these, so no `KeyError` or `TypeError` leaves a parser.
"""

import base64
import binascii
import math
from collections.abc import Collection

from registry.core import canonical
from registry.core.canonical import Json
from registry.errors import InvalidInput


def text(source: dict[str, Json], name: str, *, what: str) -> str:
    """The string field `name` of `source`."""
    value = source.get(name)
    if not isinstance(value, str):
        raise _wrong(what, name, "a string", value)
    return value


def integer(source: dict[str, Json], name: str, *, what: str) -> int:
    """The integer field `name` of `source`; booleans are not integers."""
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(what, name, "an integer", value)
    return value


def finite(value: object) -> float | None:
    """`value` as a float; None where it is no number, a boolean, or beyond what a float can be."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def mapping(source: dict[str, Json], name: str, *, what: str) -> dict[str, Json]:
    """The object field `name` of `source`."""
    value = source.get(name)
    if not isinstance(value, dict):
        raise _wrong(what, name, "an object", value)
    return value


def sequence(source: dict[str, Json], name: str, *, what: str) -> list[Json]:
    """The list field `name` of `source`."""
    value = source.get(name)
    if not isinstance(value, list):
        raise _wrong(what, name, "a list", value)
    return value


def objects(source: dict[str, Json], name: str, *, what: str) -> list[dict[str, Json]]:
    """The field `name` of `source`, a list of objects."""
    values = sequence(source, name, what=what)
    found = [value for value in values if isinstance(value, dict)]
    if len(found) != len(values):
        raise InvalidInput(f"{what}: every item of {name!r} must be an object")
    return found


def refuse_unknown(source: dict[str, Json], known: Collection[str], *, what: str) -> None:
    """Raise `InvalidInput` for a field that is none of `known`: a slip must not pass in silence."""
    unknown = source.keys() - set(known)
    if unknown:
        raise InvalidInput(
            f"{what}: unknown field {min(unknown)[:80]!r}",
            fix=f"the fields are {', '.join(sorted(known))}",
        )


def first_version(data: bytes, known: Collection[str], *, most: int, what: str) -> dict[str, Json]:
    """A document of at most `most` bytes that says it is of version 1, and has no field but
    `known`; raises `InvalidInput`."""
    if len(data) > most:
        raise InvalidInput(f"{what} has {len(data)} bytes, at most {most} are read")
    document = canonical.decode_object(data, what=what)
    refuse_unknown(document, known, what=what)
    version = integer(document, "version", what=what)
    if version != 1:
        raise InvalidInput(f"{what}: version {version} is not known", fix="write 'version': 1")
    return document


def base64_bytes(source: dict[str, Json], name: str, *, what: str) -> bytes:
    """The bytes that the base64 string field `name` stands for."""
    return unbase64(text(source, name, what=what), what=f"{what}: {name!r}")


def unbase64(value: object, *, what: str) -> bytes:
    """Strict standard base64: each value has one spelling, so no other text passes for it."""
    try:
        found = base64.b64decode(value, validate=True) if isinstance(value, str) else _refuse()
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"{what} is not base64") from error
    if base64.b64encode(found).decode() != value:
        raise InvalidInput(f"{what} is not base64 as it is written: bits are left over at its end")
    return found


def base64_text(content: bytes) -> str:
    """What `unbase64` reads."""
    return base64.b64encode(content).decode()


def _refuse() -> bytes:
    raise ValueError("not a string")


def _wrong(what: str, name: str, wanted: str, value: object) -> InvalidInput:
    found = "nothing" if value is None else type(value).__name__
    return InvalidInput(f"{what}: {name!r} must be {wanted}, found {found}")
