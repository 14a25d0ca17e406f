"""Page tokens: they come back as they went, and nothing else passes for one."""

import base64
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import cursor
from registry.errors import InvalidInput

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=40)
VALUES = {
    str: TEXTS,
    int: st.integers(-(2**63) + 1, 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(timezones=st.just(UTC)),
}
KINDS = (str, int, float, datetime)
POSITIONS = st.tuples(*(st.none() | VALUES[kind] for kind in KINDS))
POSITION = ("fraud", 7, 0.5, datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))


@given(POSITIONS, st.text(st.characters(exclude_categories=("Cs",))))
def test_a_token_comes_back_as_the_position_it_was_made_of(
    position: cursor.Position, asked: str
) -> None:
    token = cursor.encode(position, asked=asked)
    assert token.isascii()
    assert set(token).isdisjoint("+/=&?# ")
    assert cursor.decode(token, asked=asked, kinds=KINDS) == position


@given(st.integers(0, 200), st.integers(1, 127))
def test_a_token_with_any_character_changed_is_refused(place: int, change: int) -> None:
    token = cursor.encode(POSITION, asked="a")
    at = place % len(token)
    changed = token[:at] + chr(ord(token[at]) ^ change) + token[at + 1 :]
    found: object = None
    with suppress(InvalidInput):
        found = cursor.decode(changed, asked="a", kinds=KINDS)
    # Of the last character some bits are padding, and mean nothing.
    assert found is None or (found == POSITION and at == len(token) - 1)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda it: it.hex()))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        cursor.decode(text, asked="a", kinds=KINDS)


def test_a_token_of_another_list_is_refused() -> None:
    token = cursor.encode(POSITION, asked="a")
    with pytest.raises(InvalidInput):
        cursor.decode(token, asked="b", kinds=KINDS)
    with pytest.raises(InvalidInput):
        cursor.decode(token, asked="a", kinds=KINDS[:3])
    with pytest.raises(InvalidInput):
        cursor.decode(token, asked="a", kinds=(int, int, float, datetime))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[1e400]", float),
        (b"[1" + b"0" * 400 + b"]", float),
        (b"[" + b"9" * 5000 + b"]", int),
        (b"[9223372036854775808]", int),
        (b"[9223372036854775807]", datetime),
        (b"[true]", int),
        (b"[0.5]", int),
        (b'["\\ud800"]', str),
        (b'["\\u0000"]', str),
        (b'{"a": 1}', str),
        (b"[" * 3000, str),
        (b"\xff", str),
    ],
)
def test_a_forged_token_with_impossible_values_is_refused(body: bytes, kind: type) -> None:
    forged = bytes([1]) + cursor._mark("a", body) + body
    token = base64.urlsafe_b64encode(forged).decode().rstrip("=")
    with pytest.raises(InvalidInput):
        cursor.decode(token, asked="a", kinds=(kind,))
