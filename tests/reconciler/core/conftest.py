"""Where most scenarios of the planner begin."""

import pytest

from tests.reconciler.core.asking import BOTH
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.wishes import deployment_file, wish


@pytest.fixture
def served() -> Paper:
    """Two hosts that serve version 1 and need nothing."""
    paper = Paper(
        wish({"digits": deployment_file("digits", 1, BOTH)}), {name: PaperHost() for name in BOTH}
    )
    paper.run()
    assert paper.serves() == {"h1": 1, "h2": 1}
    paper.done.clear()
    return paper
