"""A closed window delays the beginning of a rollout, and nothing else that ever happens."""

from datetime import UTC, datetime

from reconciler.core import status
from reconciler.core.desired import DesiredState
from reconciler.core.reasons import Why
from tests.reconciler.core.asking import BOTH
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.projects.projects import ANYTHING, of_project, project_file
from tests.reconciler.core.test_plan_corners import exit_version
from tests.reconciler.core.wishes import deployment_file, wish

KEY = "production/digits"
NIGHT, DAY, NEXT_NIGHT = (
    datetime(2026, 6, day, hour, tzinfo=UTC).timestamp() for day, hour in ((1, 1), (1, 12), (2, 0))
)


def asking(version: int, *, more: str = "") -> DesiredState:
    rule = f'{ANYTHING}, windows: [{{kind: allow, schedule: "0 0 * * *", duration: 4h{more}}}]'
    text = deployment_file("digits", version, BOTH)
    return wish(
        {"digits": of_project(text, "night").decode()},
        commit=f"c{version}",
        policies={"models.d/projects/night.yaml": project_file("night", rule).decode()},
    )


def served(more: str = "") -> Paper:
    """Two hosts that have served version 1 since the night; now it is noon."""
    paper = Paper(asking(1, more=more), {name: PaperHost() for name in BOTH}, now=NIGHT)
    paper.run()
    assert paper.serves() == {"h1": 1, "h2": 1}
    paper.done.clear()
    paper.now = DAY
    return paper


def test_a_rollout_waits_for_the_window_and_plan_and_status_say_until_when() -> None:
    paper = served()
    paper.wish = asking(2)
    text = (
        "the project night: no allow window is open; rollouts may begin from 2026-06-02 00:00 UTC"
    )
    [wait] = [one for one in paper.plan().waits if one.reason.code is Why.WAITING_FOR_WINDOW]
    assert (wait.reason.text, wait.until) == (text, NEXT_NIGHT)
    assert f"fleet: wait {KEY} (waiting_for_window: {text})" in paper.plan().render()
    found = status.documents(paper.wish, paper.observed(), paper.rollouts, paper.now)
    assert {"code": "waiting_for_window", "until": NEXT_NIGHT}.items() <= next(
        one.items() for one in found[KEY]["waiting"] if one["code"] == "waiting_for_window"
    )
    for _ in range(12):
        paper.tick()
    assert {action.verb for action in paper.done} == {"preflight"}
    assert paper.serves() == {"h1": 1, "h2": 1}
    paper.now = NEXT_NIGHT
    paper.run()
    assert paper.serves() == {"h1": 2, "h2": 2}


def test_a_rollout_that_began_in_the_window_ends_outside_of_it() -> None:
    paper = served()
    paper.wish, paper.now = asking(2), NEXT_NIGHT
    while not any(action.verb == "start" for action in paper.done):
        paper.tick()
    paper.now = DAY + 86400
    paper.run()
    assert paper.serves() == {"h1": 2, "h2": 2}


def test_what_dies_outside_the_window_is_healed() -> None:
    paper = served()
    exit_version(paper, "h1", 1)
    paper.run()
    assert paper.serves() == {"h1": 1, "h2": 1}
    assert any(action.verb == "restart" for action in paper.done)


def test_the_way_back_is_open_at_all_hours() -> None:
    paper = served()
    paper.wish, paper.now = asking(2), NEXT_NIGHT
    while paper.serves() != {"h1": 2, "h2": 2}:
        paper.tick()
    paper.now = DAY + 86400
    exit_version(paper, "h1", 2)
    paper.run()
    assert paper.serves() == {"h1": 1, "h2": 1}
