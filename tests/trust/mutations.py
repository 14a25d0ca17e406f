"""Changes that somebody who owns a disk, a database or a wire could make; the same in every run."""

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any


def of_bytes(honest: bytes, count: int, *, others: Sequence[bytes] = ()) -> Iterator[bytes]:
    """`count` changed copies: bits, bytes gone or more, parts swapped, cut, or of another."""
    chance = random.Random(len(honest) * 1_000_003 + count)
    ways = [_flipped, _removed, _inserted, _repeated, _cut, _blanked]
    while count:
        changed = (
            _grafted(honest, chance, chance.choice(others))
            if others and chance.random() < 0.25
            else chance.choice(ways)(honest, chance)
        )
        if changed != honest:
            count -= 1
            yield changed


def of_fields(honest: bytes, others: Sequence[bytes]) -> Iterator[bytes]:
    """A JSON document in which one value, however deep, is taken from another, or changed."""
    document = json.loads(honest)
    replacements = [dict(_leaves(json.loads(other), ())) for other in others]
    for path, value in _leaves(document, ()):
        found = [known[path] for known in replacements if path in known]
        for wrong in [*found, *_wrong(value)]:
            if wrong != value or type(wrong) is not type(value):
                changed = json.loads(honest)
                _put(changed, path, wrong)
                yield json.dumps(changed).encode()


def of_value(value: object, others: Sequence[object]) -> Iterator[object]:
    """What a row's column may be changed to: flipped, emptied, or what another row has."""
    match value:
        case bytes():
            yield from of_bytes(value, 4) if value else ()
            yield b""
        case str():
            yield from (value[::-1], value[:-1], value.upper(), "")
        case int():
            yield from (value + 1, -value, 0)
        case _:
            return
    yield from others


def _flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _removed(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randint(1, 40) :]


def _inserted(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + chance.randbytes(chance.randint(1, 8)) + data[at:]


def _repeated(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[max(0, at - chance.randint(1, 200)) : at] + data[at:]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _blanked(data: bytes, chance: random.Random) -> bytes:
    at, count = chance.randrange(len(data)), chance.randint(1, 64)
    return data[:at] + bytes(len(data[at : at + count])) + data[at + count :]


def _grafted(data: bytes, chance: random.Random, other: bytes) -> bytes:
    at, count = chance.randrange(min(len(data), len(other))), chance.randint(1, 600)
    return data[:at] + other[at : at + count] + data[at + count :]


def _leaves(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        for key in value:
            yield from _leaves(value[key], (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, (*path, number))
    else:
        yield path, value


def _wrong(value: object) -> list[object]:
    match value:
        case str():
            return [value[:-1], value[1:] + value[:1], "", None, 7, [value]]
        case bool() | None:
            return [not value, "x"]
        case int():
            return [value + 1, value - 1, str(value), -value, None]
        case _:
            return [None]


def _put(document: Any, path: tuple[Any, ...], value: object) -> None:
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = value
