"""Names of hosts, short."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import hostlist


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ([], ""),
        (["edge-2", "edge-1"], "edge-1, edge-2"),
        ([f"edge-{number:02}" for number in (1, 2, 3, 5, 7, 8)], "edge-[01-03,05,07,08]"),
        (["gpu", *(f"h{number}" for number in range(1, 12))], "gpu, h10, h11, h[1-9]"),
        ([f"rack{number}-b" for number in range(4)], "rack[0-3]-b"),
    ],
)
def test_runs_of_numbers_share_one_name(names: list[str], short: str) -> None:
    assert hostlist.folded(names) == short


@given(st.sets(st.from_regex(r"[a-z]{1,2}-?[0-9]{0,2}(-[a-z])?", fullmatch=True), max_size=40))
def test_nothing_is_lost_or_made_up(names: set[str]) -> None:
    parts = re.findall(r"[^,\[\]\s]*\[[^\]]*\][^,\s]*|[^,\s]+", hostlist.folded(names))
    assert sorted(itertools.chain.from_iterable(map(unfolded, parts))) == sorted(names)


def unfolded(part: str) -> list[str]:
    found = re.fullmatch(r"(.*)\[(.*)\](.*)", part)
    if found is None:
        return [part]
    names = []
    for run in found[2].split(","):
        first, _, last = run.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        names += [f"{found[1]}{number:0{len(first)}}{found[3]}" for number in numbers]
    return names
