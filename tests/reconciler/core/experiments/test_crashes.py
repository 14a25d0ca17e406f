"""The reconciler is killed in the middle of an experiment, and the next one goes on."""

from dataclasses import replace

import pytest

from reconciler.core.experiments import run as runs
from reconciler.core.experiments.run import Verdict
from reconciler.core.rolloutjson import dump, load
from tests.reconciler.core.asking import BOTH
from tests.reconciler.core.experiments.played import (
    Users,
    asked,
    experiment_file,
    is_begun,
    is_over,
    run_of,
    until,
)
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.test_crash_points import Watched


def begun() -> Watched:
    """Both hosts serve version 1, and an experiment is asked for; played to its end."""
    paper = Watched(asked(None, commit="c1"), {host: PaperHost() for host in BOTH})
    paper.run()
    paper.deaths.clear()
    return paper


@pytest.mark.parametrize(
    ("rates", "version", "verdict", "each"),
    [((0.1, 0.3), 2, Verdict.TREATMENT, 2), ((0.1, 0.1), 9, Verdict.STOPPED, 3)],
)
def test_killed_anywhere_in_an_experiment_the_next_one_goes_on(
    rates: tuple[float, float], version: int, verdict: Verdict, each: int
) -> None:
    paper, users = begun(), Users({"conversion": rates})
    paper.looked = users
    paper.wish = asked(experiment_file(treatment=version))
    until(paper, is_over)
    told = run_of(paper).decision
    assert told is not None
    assert told.verdict is verdict
    assert len(paper.deaths) > 30
    for number, dead in list(enumerate(paper.deaths))[::each]:
        dead.looked = users
        dead.rollouts = load(dump(dead.rollouts))
        until(dead, is_over)
        ended(dead, verdict, f"killed at point {number} of {len(paper.deaths)}")


def ended(paper: Paper, verdict: Verdict, where: str) -> None:
    decision = run_of(paper).decision
    assert decision is not None, where
    assert decision.verdict is verdict, where
    assert paper.serves() == {"h1": 1, "h2": 1}, where


def test_a_look_that_comes_late_or_twice_counts_once() -> None:
    paper = begun()
    paper.looked = Users({"conversion": (0.1, 0.1)}, each_look=40)
    paper.wish = asked(experiment_file())
    until(paper, is_begun)
    until(paper, lambda paper: run_of(paper).looks == 3)
    before = run_of(paper)
    assert before.seen["conversion"].control.count > 40
    assert runs.looked(before, replace(before, looks=2), (), paper.now) is before
    assert runs.looked(before, replace(before, began_at=0.0), (), paper.now) is before
    assert runs.read(runs.document(before)) == before
