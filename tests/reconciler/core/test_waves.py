"""A new version in waves over a fleet on paper: who moves, who waits, who goes back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core import actions, kinds
from reconciler.core.planned import Plan
from reconciler.core.reasons import Why
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

TWELVE = tuple(f"edge-{number:02}" for number in range(1, 13))
SIX = TWELVE[:6]


def serving(hosts: tuple[str, ...]) -> Paper:
    """`hosts` serve version 1 and need nothing."""
    paper = Paper(wish({}, hosts=hosts), {name: PaperHost() for name in hosts})
    ask(paper, 1, "")
    paper.run()
    paper.done.clear()
    return paper


def ask(paper: Paper, version: int, fleet: str) -> None:
    text = deployment_file("digits", version, paper.hosts, fleet=fleet)
    paper.wish = wish({"digits": text}, hosts=paper.hosts, commit=f"v{version}")
    assert not paper.wish.problems


def moving(paper: Paper, version: int) -> set[str]:
    """Hosts on which the version runs and has not yet served for the whole delay."""
    digest, found = digest_of(version), set()
    for name, host in paper.hosts.items():
        facts = paper.rollouts["production/digits"].on(name) if paper.rollouts else None
        candidate = facts.candidate if facts else None
        routed = candidate.routed_at if candidate and candidate.spec.digest == digest else None
        runs = any(known.digest == digest for known in host.instances.values())
        is_good = facts is not None and facts.last_good and facts.last_good.digest == digest
        if runs and not is_good and (routed is None or paper.now < routed + 30):
            found.add(name)
    return found


def starts(made: Plan) -> list[str]:
    return [action.host for action in made.actions if isinstance(action, actions.Start)]


def test_two_at_a_time_reach_all_twelve_in_order() -> None:
    paper, started = serving(TWELVE), []
    ask(paper, 2, "maxParallel: 2")
    while set(paper.serves().values()) != {2}:
        made = paper.tick()
        started += starts(made)
        assert len(moving(paper, 2)) <= 2, made.render()
    assert started == list(TWELVE)
    paper.run()
    assert all(len(host.instances) == 1 for host in paper.hosts.values())


def test_every_host_is_checked_before_the_first_one_changes() -> None:
    paper = serving(SIX)
    paper.blocked = {"edge-06"}
    ask(paper, 2, "maxParallel: 1")
    for _ in range(10):
        paper.tick()
    assert not any(isinstance(action, actions.Start) for action in paper.done)


def test_a_failure_in_the_last_wave_sends_the_first_one_back() -> None:
    paper = serving(SIX)
    paper.failing = {"edge-06"}
    ask(paper, 2, "maxParallel: 2")
    seen = 0
    for _ in range(60):
        paper.tick()
        seen = max(seen, sum(version == 2 for version in paper.serves().values()))
    assert seen == 4
    assert set(paper.serves().values()) == {1}
    paper.run()
    assert all(len(host.instances) == 1 for host in paper.hosts.values())


def test_a_place_is_free_only_after_the_wait_and_the_plan_says_when() -> None:
    paper = serving(SIX)
    ask(paper, 2, "maxParallel: 3, wait: 5m")
    made = paper.tick()
    while len(paper.serves()) < 6 or list(paper.serves().values()).count(2) < 3:
        made = paper.tick()
    for _ in range(10):
        made = paper.tick()
        assert starts(made) == []
    waits = [wait for wait in made.waits if wait.reason.code is Why.WAITING_FOR_TURN]
    assert [wait.host for wait in waits] == ["edge-04", "edge-05", "edge-06"]
    assert all(wait.until and paper.now < wait.until < paper.now + 300 for wait in waits)
    assert waits[0].reason.text == ("3 of 6 hosts move at once; first edge-01, edge-02, edge-03")
    paper.now = waits[0].until or 0.0
    assert starts(paper.tick()) == ["edge-04", "edge-05", "edge-06"]


def test_the_dry_run_says_in_one_line_what_many_hosts_wait_for() -> None:
    paper = serving(SIX)
    ask(paper, 2, "maxParallel: 3")
    paper.tick()
    paper.tick()
    assert paper.plan().render().splitlines()[-1] == (
        "edge-04, edge-05, edge-06: wait production/digits "
        "(waiting_for_turn: 3 of 6 hosts move at once; first edge-01, edge-02, edge-03)"
    )


def test_an_unreachable_host_delays_nobody_and_catches_up() -> None:
    paper = serving(SIX)
    paper.hosts["edge-01"].is_up = False
    ask(paper, 2, "maxParallel: 1")
    paper.run(120)
    assert paper.serves()["edge-06"] == 2
    paper.hosts["edge-01"].is_up = True
    paper.run()
    assert set(paper.serves().values()) == {2}


@settings(max_examples=40, deadline=None)
@given(
    limit=st.integers(1, 4),
    version=st.integers(2, 8),
    outages=st.lists(st.tuples(st.sampled_from(SIX), st.integers(1, 9)), max_size=5),
    survives=st.none() | st.integers(0, 60),
)
def test_no_outage_or_crash_lets_more_move_than_have_a_place(
    limit: int, version: int, outages: list[tuple[str, int]], survives: int | None
) -> None:
    paper = serving(SIX)
    ask(paper, version, f"maxParallel: {limit}")
    paper.dies_in = survives
    for name, ticks in [*outages, *((name, 0) for name in SIX)]:
        paper.hosts[name].is_up = not paper.hosts[name].is_up if ticks else True
        for _ in range(ticks):
            up = {host for host in SIX if paper.hosts[host].is_up}
            before = moving(paper, version) & up
            new = set(starts(paper.plan())) - before
            assert not new or len(new | before) <= limit
            paper.tick()
    paper.dies_in = None
    paper.run(200)
    assert len(set(paper.serves().values())) == 1
    again = [a for a in paper.plan().actions if not isinstance(a, actions.Preflight)]
    assert again == []


@pytest.mark.parametrize(
    ("said", "hosts", "places"),
    [(None, 7, 7), (2, 7, 2), ("25%", 12, 3), ("25%", 7, 1), ("1%", 3, 1), ("100%", 3, 3)],
)
def test_a_percentage_is_rounded_down_but_never_to_nothing(
    said: int | str | None, hosts: int, places: int
) -> None:
    rules = kinds.FleetRollout.model_validate({"maxParallel": said})
    assert rules.places(hosts) == places


@pytest.mark.parametrize(
    ("operator", "values", "meant"),
    [
        ("In", ["kiel", "hamburg"], {"a", "b"}),
        ("NotIn", ["kiel"], {"a", "c"}),
        ("Exists", [], {"a", "b"}),
        ("DoesNotExist", [], {"c"}),
    ],
)
def test_expressions_mean_what_they_mean_in_kubernetes(
    operator: str, values: list[str], meant: set[str]
) -> None:
    hosts: dict[str, dict[str, str]] = {"a": {"site": "hamburg"}, "b": {"site": "kiel"}, "c": {}}
    expression = {"key": "site", "operator": operator, "values": values}
    targets = kinds.Targets.model_validate({"matchExpressions": [expression]})
    assert {name for name, labels in hosts.items() if targets.means(labels)} == meant
