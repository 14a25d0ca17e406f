"""Policies of the area plan: they hold beginnings back, never what serves or is under way."""

from datetime import UTC, datetime

import pytest

from reconciler.core.desired import DesiredState
from reconciler.core.reasons import Why
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.test_plan_corners import exit_version
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

KEY = "production/digits"
DAY, NIGHT = (datetime(2026, 6, 1, hour, tzinfo=UTC).timestamp() for hour in (12, 1))
AT_NIGHT = 'now.getHours("Europe/Berlin") < 5'


def asking(
    version: int, *, rule: str = AT_NIGHT, match: str = "", deadline: int = 100
) -> DesiredState:
    policy = f"""\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {{name: windows}}
spec:
  match: {{{match}}}
  mode: enforce
  validations: [{{expression: '{rule}', message: 'only at night'}}]
"""
    text = deployment_file("digits", version, ("h1", "h2"), deadline=deadline)
    return wish(
        {"digits": text}, commit=f"c{version}", policies={"policies/plan/windows.yaml": policy}
    )


@pytest.fixture
def served() -> Paper:
    """Two hosts that have served version 1 since the night."""
    paper = Paper(asking(1), {"h1": PaperHost(), "h2": PaperHost()}, now=NIGHT)
    paper.run()
    assert paper.serves() == {"h1": 1, "h2": 1}
    paper.done.clear()
    return paper


def held(paper: Paper) -> list[str]:
    waits = paper.plan().waits
    return [wait.reason.text for wait in waits if wait.reason.code is Why.HELD_BY_POLICY]


def test_outside_the_window_nothing_starts_and_the_plan_says_why(served: Paper) -> None:
    served.wish, served.now = asking(2), DAY
    assert held(served) == ["policy windows: only at night"]
    assert f"fleet: wait {KEY} (held_by_policy: policy windows: only at night)" in (
        served.plan().render()
    )
    served.run()
    assert {action.verb for action in served.done} == {"preflight"}
    assert served.serves() == {"h1": 1, "h2": 1}


def test_inside_the_window_it_goes_on(served: Paper) -> None:
    served.wish, served.now = asking(2), DAY
    served.run()
    served.now = NIGHT + 86400
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_rollout_under_way_when_the_window_closes_goes_to_its_end(served: Paper) -> None:
    served.wish, served.now = asking(2), NIGHT + 86400
    while not any(action.verb == "start" for action in served.done):
        served.tick()
    served.now = DAY + 86400
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_host_that_crashed_is_healed_at_any_hour(served: Paper) -> None:
    served.now = DAY
    exit_version(served, "h1", 1)
    served.run()
    assert "h1 restart" in served.did()
    assert served.serves() == {"h1": 1, "h2": 1}


def test_what_serves_is_healed_while_its_successor_is_held(served: Paper) -> None:
    served.wish, served.now = asking(2), DAY
    served.run()
    exit_version(served, "h1", 1)
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert not [action for action in served.done if action.verb == "start"]


@pytest.mark.parametrize(
    ("match", "is_held"),
    [
        ("models: [digits]", True),
        ("models: ['dig*']", True),
        ("models: ['fraud-*']", False),
        ("environments: [staging]", False),
        ("labels: {tier: critical}", False),
    ],
)
def test_a_window_counts_only_where_it_matches(served: Paper, match: str, is_held: bool) -> None:
    served.wish, served.now = asking(2, match=match), DAY
    assert bool(held(served)) is is_held


def test_an_error_in_a_policy_of_planning_holds_back(served: Paper) -> None:
    served.wish = asking(2, rule="now.getHours('Nowhere/Land') < 24".replace("'", '"'))
    assert held(served) == ["policy windows: only at night (Invalid timezone)"]


def test_a_broken_policy_of_planning_holds_back(served: Paper) -> None:
    served.wish = asking(2, rule="now.")
    assert "a policy file is broken: policies/plan/windows.yaml:7:" in held(served)[0]


def test_a_digest_that_was_quarantined_once_does_not_come_back_by_another_door() -> None:
    rule = "!(deployment.spec.model.digest in quarantined)"
    sick = 4  # fails acceptance
    paper = Paper(asking(1, rule=rule), {"h1": PaperHost(), "h2": PaperHost()})
    paper.run()
    paper.wish = asking(sick, rule=rule)
    paper.run()
    known = paper.rollouts[KEY].quarantined
    assert [entry.digest for entry in known] == [digest_of(sick)]
    paper.wish = asking(sick, rule=rule, deadline=50)
    paper.done.clear()
    paper.run()
    assert not [action for action in paper.done if action.verb == "start"]
    assert paper.serves() == {"h1": 1, "h2": 1}


def test_what_had_to_wait_is_verified_anew_before_it_starts(served: Paper) -> None:
    """An approval may be withdrawn, a version be quarantined, while the window is closed."""
    served.wish, served.now = asking(2), DAY
    served.run()
    served.done.clear()
    served.now = NIGHT + 86400
    served.run()
    verbs = [action.verb for action in served.done]
    assert verbs.index("preflight") < verbs.index("start")


def test_while_it_waits_it_is_verified_again_and_again_but_not_all_the_time(served: Paper) -> None:
    served.wish, served.now = asking(2), DAY
    for _ in range(120):
        served.tick(10.0)
    assert [action.verb for action in served.done] == ["preflight"] * 4
