"""What every test of the runtime starts from: a registry that answers, and a runtime to be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.process import Runtime
from tests.runtime.stand_in import StandIn


@pytest.fixture
def registry() -> Iterator[StandIn]:
    stand_in = StandIn()
    with stand_in.answering():
        yield stand_in


@pytest.fixture
def runtime(tmp_path: Path, registry: StandIn) -> Runtime:
    """Not started yet: a test says first what it should serve."""
    return Runtime(tmp_path, registry)
