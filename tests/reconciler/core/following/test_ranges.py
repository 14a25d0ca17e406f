"""Ranges of versions: which versions are in them, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.following import ranges
from registry.errors import InvalidInput

SIGNS = {
    ">=": int.__ge__, ">": int.__gt__, "<=": int.__le__, "<": int.__lt__, "=": int.__eq__,
    "!=": int.__ne__,
}  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(list(SIGNS)), st.integers(1, 9)), min_size=1, max_size=4))
def test_a_version_is_in_a_range_where_all_its_parts_hold(parts: list[tuple[str, int]]) -> None:
    text = " ".join(f"{sign}{number}" for sign, number in parts)
    wanted = {
        version
        for version in range(1, 30)
        if all(SIGNS[sign](version, number) for sign, number in parts)
    }
    if not wanted:
        with pytest.raises(InvalidInput, match="no version can be in"):
            ranges.parse(text)
        return
    assert {version for version in range(1, 30) if ranges.parse(text).has(version)} == wanted


@pytest.mark.parametrize("text", [">=7 <9", ">= 7, < 9", " >6,<=8 ", "=7", "7", ">=7 !=9"])
def test_spaces_and_commas_are_as_people_write_them(text: str) -> None:
    assert ranges.parse(text).has(7)
    assert not ranges.parse(text).has(9)


@pytest.mark.parametrize(
    "text", ["", "latest", "^7", "~7", "7.1", ">=7 ||<3", "v7", ">=0", ">=7<9", "*", "≥7"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        ranges.parse(text)
