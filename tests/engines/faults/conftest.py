"""One fleet for all faults: engines start slowly, and each test leaves it converged."""

from collections.abc import Iterator

import pytest

from tests.engines.faults import fleet as fleets
from tests.engines.faults.fleet import Fleet


@pytest.fixture(scope="package")
def fleet(built_images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleets.made(tmp_path_factory.mktemp("faults")) as made:
        yield made
