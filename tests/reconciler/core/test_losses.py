"""Hosts that fail in a rollout over a fleet on paper: who goes back, who goes on, who waits."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core import actions, status
from reconciler.core.plan import Plan
from reconciler.core.reasons import Why
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.test_waves import SIX, ask, moving, serving, starts


def waiting(made: Plan, code: Why) -> list[str]:
    return [wait.reason.text for wait in made.waits if wait.reason.code is code]


def back(paper: Paper) -> list[str]:
    return sorted(host for host, version in paper.serves().items() if version == 1)


def health(paper: Paper) -> tuple[str, str]:
    found = status.compute(paper.wish, paper.observed(), paper.rollouts, paper.now)
    return found[0].health.value, found[0].health_reason


def test_where_a_host_may_fail_alone_the_others_keep_what_they_have() -> None:
    paper = serving(SIX)
    paper.failing = {"edge-02", "edge-05"}
    ask(paper, 2, "maxParallel: 2, atomic: false, failureAction: continue")
    paper.run(120)
    assert back(paper) == ["edge-02", "edge-05"]
    assert all(len(host.instances) == 1 for host in paper.hosts.values())
    gave_up = [action.host for action in paper.done if isinstance(action, actions.GiveUp)]
    assert gave_up == ["edge-02", "edge-05"]
    assert not paper.quarantined
    found, reason = health(paper)
    assert found == "Degraded"
    assert reason == (
        "on edge-02, edge-05: version 2 failed, version 1 serves: "
        "version 2 failed acceptance: accuracy 0.1"
    )


def test_a_host_that_failed_alone_is_tried_again_with_the_next_version_only() -> None:
    paper = serving(SIX)
    paper.failing = {"edge-02"}
    ask(paper, 2, "atomic: false, failureAction: continue")
    paper.run()
    paper.failing.clear()
    ask(paper, 2, "atomic: false")
    paper.run()
    assert back(paper) == ["edge-02"]
    ask(paper, 3, "atomic: false")
    paper.run()
    assert set(paper.serves().values()) == {3}


def test_beyond_the_budget_nobody_else_begins_and_git_says_how_to_go_on() -> None:
    paper = serving(SIX)
    paper.failing = {"edge-01", "edge-03"}
    ask(paper, 2, "maxParallel: 1, atomic: false, maxFailureRatio: 0.2")
    for _ in range(60):
        made = paper.tick()
    assert paper.serves()["edge-02"] == 2
    assert back(paper) == ["edge-01", "edge-03", "edge-04", "edge-05", "edge-06"]
    assert waiting(made, Why.TOO_MANY_FAILED)[0] == (
        "2 of 6 hosts failed: edge-01, edge-03; no further host begins until "
        "models.d/production/digits.yaml asks for another version, raises "
        "spec.fleet.maxFailureRatio or says failureAction: continue"
    )
    ask(paper, 2, "maxParallel: 1, atomic: false, maxFailureRatio: 0.5")
    paper.run(120)
    assert back(paper) == ["edge-01", "edge-03"]


def test_beyond_the_budget_all_go_back_where_the_file_says_so() -> None:
    paper = serving(SIX)
    paper.failing = {"edge-01", "edge-05"}
    ask(paper, 2, "maxParallel: 2, atomic: false, failureAction: rollback, maxFailureRatio: 0.2")
    seen = 0
    for _ in range(60):
        paper.tick()
        seen = max(seen, sum(version == 2 for version in paper.serves().values()))
    assert seen == 2
    paper.run()
    assert back(paper) == list(SIX)
    assert len(paper.quarantined) == 1


def test_a_version_that_fails_on_every_host_is_quarantined_whatever_the_budget() -> None:
    paper = serving(SIX)
    ask(paper, 5, "maxParallel: 2, atomic: false, failureAction: continue")
    paper.run(120)
    assert set(paper.serves().values()) == {1}
    assert len(paper.quarantined) == 1


def test_a_host_without_room_holds_only_itself_where_hosts_may_fail_alone() -> None:
    paper = serving(SIX)
    paper.blocked = {"edge-03"}
    ask(paper, 2, "maxParallel: 2, atomic: false")
    for _ in range(60):
        paper.tick()
    assert back(paper) == ["edge-03"]
    assert all(len(host.instances) == 1 for host in paper.hosts.values())
    paper.blocked.clear()
    paper.run()
    assert back(paper) == []


@pytest.mark.parametrize("fleet", ["maxParallel: 2", "maxParallel: 2, atomic: false"])
def test_a_host_that_comes_back_late_and_fails_moves_nobody_else(fleet: str) -> None:
    paper = serving(SIX)
    paper.hosts["edge-04"].is_up = False
    ask(paper, 2, fleet)
    paper.run(120)
    paper.hosts["edge-04"].is_up, paper.failing = True, {"edge-04"}
    for _ in range(30):
        paper.tick()
    assert back(paper) == ["edge-04"]
    assert health(paper)[0] == "Degraded"


def test_nobody_begins_while_more_hosts_are_unavailable_than_may_be() -> None:
    paper = serving(SIX)
    ask(paper, 2, "maxParallel: 1, maxUnavailable: 1")
    paper.hosts["edge-05"].is_up = paper.hosts["edge-06"].is_up = False
    for _ in range(20):
        made = paper.tick()
    assert set(paper.serves().values()) == {1}
    assert waiting(made, Why.TOO_MANY_UNAVAILABLE)[0] == (
        "2 of 6 hosts are unavailable: edge-05, edge-06; "
        "no further host begins while more than 1 are"
    )
    paper.hosts["edge-06"].is_up = True
    paper.run(120)
    assert back(paper) == ["edge-05"]


def test_a_host_that_went_away_while_it_moved_gives_way_to_who_took_its_place() -> None:
    paper = serving(SIX)
    paper.slow = {"edge-01"}
    ask(paper, 2, "maxParallel: 1")
    while not starts(paper.tick()):
        pass
    paper.hosts["edge-01"].is_up = False
    while starts(paper.tick()) != ["edge-02"]:
        pass
    paper.hosts["edge-01"].is_up = True
    paper.tick()
    assert moving(paper, 2) == {"edge-02"}
    paper.slow.clear()
    paper.run(120)
    assert back(paper) == []


def test_a_host_that_switched_and_went_away_keeps_its_place_for_its_own_time_only() -> None:
    paper = serving(SIX)
    ask(paper, 2, "maxParallel: 1")
    while paper.serves()["edge-01"] == 1:
        paper.tick()
    switched = paper.rollouts["production/digits"].on("edge-01").candidate
    assert switched is not None
    assert switched.routed_at is not None
    paper.hosts["edge-01"].is_up = False
    while not starts(paper.tick()):
        pass
    assert 30 <= paper.now - 10 - switched.routed_at < 50


@settings(max_examples=40, deadline=None)
@given(
    limit=st.integers(1, 4),
    outages=st.lists(st.tuples(st.sampled_from(SIX), st.integers(1, 9)), max_size=6),
)
@example(limit=1, outages=[("edge-01", 9), ("edge-01", 3)])
def test_whoever_comes_back_never_more_are_under_way_than_have_a_place(
    limit: int, outages: list[tuple[str, int]]
) -> None:
    paper = serving(SIX)
    ask(paper, 2, f"maxParallel: {limit}")
    for name, ticks in [*outages, ("", 30)]:
        if name:
            paper.hosts[name].is_up = not paper.hosts[name].is_up
        for _ in range(ticks):
            seen = {host for host in SIX if paper.hosts[host].is_up}
            paper.tick()
            under_way = moving(paper, 2) & seen
            assert len(under_way) <= limit
