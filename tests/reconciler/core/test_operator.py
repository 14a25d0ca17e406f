"""What a tired operator sees of fifty hosts: the plan and the status, as they are printed."""

from pathlib import Path

import pytest

from reconciler.core import status
from reconciler.core.hoststatus import Health
from registry.cli import status as command
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.test_waves import ask, serving

GOLDEN = Path(__file__).parent / "golden"
FIFTY = tuple(f"edge-{number:02}" for number in range(1, 51))


def under_way() -> Paper:
    """The second of three waves: two hosts are out of sight, and one has failed."""
    paper = serving(FIFTY)
    paper.hosts["edge-07"].is_up = paper.hosts["edge-33"].is_up = False
    paper.failing = {"edge-12"}
    ask(paper, 2, "maxParallel: 17, wait: 1m, atomic: false, failureAction: continue")
    while list(paper.serves().values()).count(2) < 17:
        paper.tick()
    while not any(action.verb == "accept" for action in paper.plan().actions):
        paper.tick()
    return paper


def golden(name: str) -> str:
    return (GOLDEN / name).read_text()


def test_the_plan_of_fifty_hosts_is_a_few_lines() -> None:
    plan = under_way().plan()
    assert f"{plan.summary()}\n{plan.render()}\n" == golden("fifty_hosts_plan.txt")


def test_the_status_of_fifty_hosts_names_the_sick_first_and_what_comes_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    paper = under_way()
    found = status.documents(paper.wish, paper.observed(), paper.rollouts, paper.now)
    command.show_all(list(found.values()))
    command.show_one(found["production/digits"])
    assert capsys.readouterr().out == golden("fifty_hosts_status.txt")


def test_the_command_knows_all_healths_the_worst_first() -> None:
    assert tuple(health.value for health in Health) == command.WORST_FIRST
