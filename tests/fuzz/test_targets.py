"""The targets do not fail on their seeds, on what becomes of these, nor in a short search."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import rig
from tests.fuzz.rig import Rig
from tests.fuzz.targets import TARGETS


@pytest.fixture(scope="module")
def found() -> Iterator[Rig]:
    with rig.rig() as made:
        yield made


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_answered(name: str, found: Rig) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].require_handled(found, seed)


def test_a_defect_is_found() -> None:
    with rig.rig() as broken:
        del broken._application._serving.table  # type: ignore[attr-defined]
        with pytest.raises(AssertionError, match="internal error"):
            TARGETS["http"].require_handled(broken, TARGETS["http"].seeds[9])


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with pieces cut out, put in and taken from another one."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = draw(st.integers(begin, min(len(data), begin + 40)))
        other = draw(st.sampled_from(seeds))
        at = draw(st.integers(0, len(other)))
        data[begin:end] = draw(
            st.binary(max_size=8)
            | st.just(other[at : at + 20])
            | st.just(bytes(data[begin:end] * 2))
        )
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_what_becomes_of_seeds_is_answered_too(name: str, found: Rig) -> None:
    target = TARGETS[name]

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated(target.seeds))
    def attempt(data: bytes) -> None:
        target.require_handled(found, data)

    attempt()


@pytest.mark.parametrize("name", ["infer", "grpc-predict"])
def test_a_short_search_finds_nothing(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", name, "4", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert ran.returncode == 0, ran.stderr[-3000:]
    executed = ran.stderr.partition("number_of_executed_units:")[2].split()[0]
    assert int(executed) > len(TARGETS[name].seeds)
