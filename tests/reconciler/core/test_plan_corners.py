"""The planner where two things happen at once."""

from dataclasses import replace

import pytest

from reconciler.core import outcomes, remembering, status
from reconciler.core.actions import Accept, Quarantine, Start
from reconciler.core.observed import Health, HostState, Phase
from reconciler.core.plan import plan
from reconciler.core.reasons import Reason, Why
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.wishes import deployment_file, wish

ONE = ("h1",)
BOTH = ("h1", "h2")
KEY = "production/digits"
WHY = Reason(Why.NEW_SPEC, "test")


def asked(paper: Paper, text: str, *, commit: str, name: str = "digits") -> None:
    paper.wish = wish({name: text}, commit=commit)


def fleet(version: int, hosts: tuple[str, ...] = BOTH) -> Paper:
    """Hosts that serve `version`, settled."""
    text = deployment_file("digits", version, hosts)
    paper = Paper(wish({"digits": text}), {name: PaperHost() for name in hosts})
    paper.run()
    paper.done.clear()
    return paper


@pytest.fixture
def one() -> Paper:
    return fleet(1, ONE)


@pytest.fixture
def two() -> Paper:
    return fleet(1)


def until(paper: Paper, verb: str, seconds: float = 10.0) -> None:
    """Tick until an action of this kind was done."""
    for _ in range(60):
        paper.tick(seconds)
        if any(action.verb == verb for action in paper.done):
            paper.done.clear()
            return
    raise AssertionError(f"no {verb}")


def exit_version(paper: Paper, host: str, version: int) -> None:
    instances = paper.hosts[host].instances
    for name, known in instances.items():
        if known.version == version:
            instances[name] = replace(known, phase=Phase.EXITED, health=Health.NONE, exit_code=1)


def verbs(paper: Paper) -> list[str]:
    return [action.verb for action in paper.plan().actions]


def versions(paper: Paper, host: str = "h1") -> list[int]:
    return sorted(known.version for known in paper.hosts[host].instances.values())


def test_a_test_changed_during_a_rollout_is_run_again_on_the_same_candidate(one: Paper) -> None:
    asked(one, deployment_file("digits", 2, ONE, promote=False), commit="c2")
    until(one, "accept")
    asked(one, deployment_file("digits", 2, ONE, deadline=200), commit="c3")
    one.run()
    assert one.did()[:3] == ["h1 start", "h1 accept", "h1 route"]


def test_what_serves_is_looked_after_while_its_successor_is_on_its_way(one: Paper) -> None:
    one.blocked = {"h1"}
    asked(one, deployment_file("digits", 2, ONE), commit="c2")
    one.tick()
    exit_version(one, "h1", 1)
    for _ in range(4):
        one.tick()
    assert one.serves() == {"h1": 1}


def test_a_candidate_of_an_older_commit_makes_room_before_the_newest_gets_traffic(
    one: Paper,
) -> None:
    asked(one, deployment_file("digits", 5, ONE), commit="c2")
    until(one, "start")
    asked(one, deployment_file("digits", 2, ONE, promote=False), commit="c3")
    until(one, "accept")
    assert versions(one) == [1, 2]


def test_the_last_known_good_stays_through_a_rollout_that_is_superseded_half_way(
    one: Paper,
) -> None:
    asked(one, deployment_file("digits", 2, ONE), commit="c2")
    until(one, "route")
    asked(one, deployment_file("digits", 4, ONE), commit="c3")
    until(one, "accept")
    assert versions(one) == [1, 2, 4]
    one.run()
    assert one.serves() == {"h1": 1}
    assert versions(one) == [1]


def test_a_first_version_that_is_superseded_half_way_is_kept_alive_meanwhile() -> None:
    text = deployment_file("digits", 1, ONE)
    paper = Paper(wish({"digits": text}), {"h1": PaperHost()})
    until(paper, "route")
    paper.blocked = {"h1"}
    asked(paper, deployment_file("digits", 2, ONE), commit="c2")
    paper.tick()
    exit_version(paper, "h1", 1)
    for _ in range(3):
        paper.tick()
    assert paper.serves() == {"h1": 1}


def test_the_predecessor_stays_while_its_successor_is_down_and_has_no_traffic(one: Paper) -> None:
    asked(one, deployment_file("digits", 2, ONE), commit="c2")
    until(one, "settle")
    assert versions(one) == [1, 2]
    exit_version(one, "h1", 2)
    one.hosts["h1"].routes.clear()
    assert verbs(one) == ["restart"]


def test_no_host_settles_before_all_have_served_for_the_whole_delay(two: Paper) -> None:
    asked(two, deployment_file("digits", 2, BOTH, auto=False), commit="c2")
    until(two, "route")
    two.slow = {"h2"}
    exit_version(two, "h2", 2)
    for _ in range(10):
        two.tick()
    assert "fleet settle" not in two.did()
    assert versions(two, "h1") == [1, 2]
    two.slow = set()
    two.run()
    assert "fleet settle" in two.did()


def test_two_deployments_can_swap_a_model_without_taking_it_back_from_each_other(
    one: Paper,
) -> None:
    one.wish = wish(
        {
            "digits": deployment_file("digits", 5, ONE, model="numbers"),
            "other": deployment_file("other", 2, ONE, model="digits"),
        },
        commit="c2",
    )
    moves = 0
    for _ in range(40):
        one.tick()
        assert set(one.serves()) == {"h1"}
        moves += sum(line == "h1 route" for line in one.did())
    assert one.hosts["h1"].routes["digits"].deployment == "production/other"
    assert moves == 1


def test_a_revert_is_not_pushed_for_a_version_that_turned_out_good(one: Paper) -> None:
    one.errors = {"push-revert": "forge is down"}
    one.failing = {"h1"}
    asked(one, deployment_file("digits", 2, ONE), commit="c2")
    until(one, "quarantine")
    one.failing = set()
    asked(one, deployment_file("digits", 2, ONE, deadline=200), commit="c3")
    until(one, "settle")
    one.errors = {}
    one.done.clear()
    asked(one, deployment_file("digits", 2, ONE), commit="c4")
    one.run()
    assert "git push-revert" not in one.did()
    assert one.serves() == {"h1": 2}


def test_quarantine_is_remembered_before_anything_else_is_done(one: Paper) -> None:
    files = {
        "aaa": deployment_file("aaa", 1, ONE),
        "digits": deployment_file("digits", 4, ONE),
    }
    one.wish = wish({"digits": files["digits"]}, commit="c2")
    until(one, "accept")
    one.wish = wish(files, commit="c3")
    assert verbs(one)[0] == "quarantine"
    assert "preflight" in verbs(one)


def test_a_candidate_that_cannot_even_be_started_fails_at_its_deadline(one: Paper) -> None:
    one.errors = {"start": "no such image"}
    asked(one, deployment_file("digits", 2, ONE), commit="c2")
    until(one, "quarantine")
    assert one.rollouts[KEY].quarantined[0].code == "deadline_exceeded"


def test_the_deadline_stands_still_while_the_host_cannot_be_reached(one: Paper) -> None:
    one.slow = {"h1"}
    asked(one, deployment_file("digits", 2, ONE), commit="c2")
    until(one, "start")
    one.hosts["h1"].is_up = False
    for _ in range(30):
        one.tick()
    one.hosts["h1"].is_up = True
    one.slow = set()
    one.run()
    assert one.serves() == {"h1": 2}


def test_acceptance_that_cannot_run_is_no_verdict_but_counts_towards_the_deadline(
    one: Paper,
) -> None:
    one.errors = {"accept": "instance does not answer"}
    asked(one, deployment_file("digits", 2, ONE), commit="c2")
    until(one, "accept")
    one.errors = {}
    one.run()
    assert one.serves() == {"h1": 2}


def test_a_host_that_left_git_is_not_touched_even_if_it_still_answers(two: Paper) -> None:
    two.wish = wish({"digits": deployment_file("digits", 2, ONE)}, hosts=ONE, commit="c2")
    for _ in range(20):
        two.tick()
    assert not [line for line in two.did() if line.startswith("h2")]
    assert two.serves() == {"h1": 2, "h2": 1}
    assert Why.HOST_NOT_DECLARED in {wait.reason.code for wait in two.plan().waits}


def test_a_host_nobody_has_looked_at_yet_counts_as_unreachable(one: Paper) -> None:
    made = plan(one.wish, {}, one.rollouts, one.now)
    assert made.actions == ()
    assert [wait.reason.code for wait in made.waits] == [Why.UNREACHABLE]


def test_healing_the_last_known_good_makes_no_candidate_of_it(one: Paper) -> None:
    spec = one.wish.deployments[KEY].spec_on("h1", "c9")
    after = remembering.intend(one.rollouts, Start("h1", spec, "", WHY), one.now)
    assert after[KEY].on("h1").candidate is None


def test_a_verdict_on_an_older_revision_does_not_count(one: Paper) -> None:
    spec = replace(one.wish.deployments[KEY].spec_on("h1", "c9"), version=2)
    started = remembering.intend(one.rollouts, Start("h1", spec, "new", WHY), one.now)
    late = Accept("h1", spec, "old", None, WHY)
    after = remembering.conclude(started, late, outcomes.Tested(passed=True), one.now)
    candidate = after[KEY].on("h1").candidate
    assert candidate is not None
    assert candidate.acceptance is None


def test_quarantining_twice_is_remembered_once(one: Paper) -> None:
    spec = one.wish.deployments[KEY].spec_on("h1", "c9")
    action = Quarantine("h1", KEY, "r", spec, WHY)
    once = remembering.conclude(one.rollouts, action, outcomes.Done(), 1.0)
    assert remembering.conclude(once, action, outcomes.Done(), 2.0) == once


@pytest.mark.parametrize("tested", [True, False])
def test_waiting_for_promotion_does_not_use_up_the_deadline(two: Paper, *, tested: bool) -> None:
    text = deployment_file("digits", 2, BOTH, promote=False, deadline=50, tested=tested)
    asked(two, text, commit="c2")
    until(two, "start")
    for _ in range(30):
        two.tick()
    assert two.rollouts[KEY].quarantined == ()


def _status(paper: Paper) -> dict[str, status.DeploymentStatus]:
    observed = {
        name: HostState(
            name, tuple(host.instances.values()), tuple(host.routes.values()), host.ingress
        )
        for name, host in paper.hosts.items()
    }
    found = status.compute(paper.wish, observed, paper.rollouts, paper.now)
    return {one.deployment: one for one in found}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (1, ("Synced", "Healthy", "Verified")),
        (2, ("Synced", "Healthy", "Verified")),
        (4, ("OutOfSync", "Degraded", "Verified")),
        (7, ("OutOfSync", "Healthy", "Refused")),
        (8, ("OutOfSync", "Degraded", "Refused")),
    ],
)
def test_the_three_statuses_stay_separate(
    one: Paper, version: int, expected: tuple[str, str, str]
) -> None:
    asked(one, deployment_file("digits", version, ONE), commit="c2")
    one.run()
    found = _status(one)[KEY]
    assert (found.sync, found.health, found.trust) == expected


def test_a_rollout_under_way_is_progressing_and_a_paused_one_suspended(one: Paper) -> None:
    asked(one, deployment_file("digits", 2, ONE, promote=False), commit="c2")
    one.tick()
    assert _status(one)[KEY].health == "Progressing"
    until(one, "accept")
    one.tick()
    assert _status(one)[KEY].health == "Suspended"
    asked(one, deployment_file("digits", 2, ONE, suspend=True), commit="c3")
    assert _status(one)[KEY].health == "Suspended"


def test_a_broken_file_makes_sync_unknown_and_says_where(one: Paper) -> None:
    asked(one, "kind: [", commit="c2")
    found = _status(one)[KEY]
    assert (found.sync, found.health) == ("Unknown", "Healthy")
    assert found.sync_reason.startswith("models.d/production/digits.yaml:")


def test_what_left_git_is_shown_until_it_is_gone(one: Paper) -> None:
    asked(one, deployment_file("other", 1, ONE), commit="c2", name="other")
    assert _status(one)[KEY].sync_reason == "no longer in Git"
    one.run()
    assert KEY not in _status(one)


def test_missing_and_sick_are_told_apart(one: Paper) -> None:
    exit_version(one, "h1", 1)
    assert _status(one)[KEY].health == "Degraded"
    one.hosts["h1"].instances.clear()
    assert _status(one)[KEY].health == "Missing"
