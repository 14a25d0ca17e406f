"""What the planner does, case by case, on a fleet on paper."""

from dataclasses import replace
from itertools import pairwise

from reconciler.core import status, wording
from reconciler.core.observed import Health, Phase, Unreachable
from reconciler.core.reasons import Why
from registry.core.documents import Problem
from tests.reconciler.core.asking import BOTH, KEY, ask
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.wishes import deployment_file, wish


def until(paper: Paper, verb: str) -> None:
    """Tick until an action of this kind was done."""
    for _ in range(60):
        paper.tick()
        if any(action.verb == verb for action in paper.done):
            return
    raise AssertionError(f"no {verb} in {paper.did()}")


def codes(paper: Paper) -> set[Why]:
    return {wait.reason.code for wait in paper.plan().waits}


def kill(paper: Paper, host: str) -> None:
    instances = paper.hosts[host].instances
    for name, known in instances.items():
        instances[name] = replace(known, phase=Phase.EXITED, health=Health.NONE, exit_code=137)


def test_an_upgrade_is_verified_started_tested_routed_and_only_then_cleaned_up(
    served: Paper,
) -> None:
    ask(served, 2)
    served.run()
    assert served.did() == [
        "h1 preflight", "h2 preflight",
        "h1 start", "h2 start",
        "h1 accept", "h2 accept",
        "h1 route", "h2 route",
        "fleet settle",
        "h1 remove", "h2 remove",
    ]  # fmt: skip
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_second_pass_over_a_converged_fleet_has_no_actions(served: Paper) -> None:
    made = served.plan()
    assert made.actions == ()
    assert made.render() == "nothing to do"
    assert not made.is_progressing


def test_nothing_starts_anywhere_while_one_host_has_no_room(served: Paper) -> None:
    served.blocked = {"h2"}
    ask(served, 2)
    for _ in range(20):
        served.tick()
    assert set(served.did()) == {"h1 preflight", "h2 preflight"}
    served.tick(1.0)
    assert codes(served) == {Why.WAITING_FOR_HOSTS, Why.BLOCKED}
    served.blocked = set()
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_no_traffic_moves_while_one_host_is_not_accepted(served: Paper) -> None:
    served.slow = {"h2"}
    ask(served, 2)
    for _ in range(6):
        served.tick()
    assert "h1 accept" in served.did()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert codes(served) == {Why.WAITING_FOR_HOSTS, Why.WAITING_FOR_HEALTH}
    served.slow = set()
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_failure_on_one_host_sends_every_host_back(served: Paper) -> None:
    served.failing = {"h2"}
    ask(served, 2)
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert [len(host.instances) for host in served.hosts.values()] == [1, 1]
    entry = served.rollouts[KEY].quarantined[0]
    assert (entry.host, entry.code, entry.commit) == ("h2", "acceptance_failed", "c2")
    assert entry.reverted == "branch"


def test_a_version_that_sickens_with_traffic_gives_it_back_at_once(served: Paper) -> None:
    ask(served, 9)
    until(served, "quarantine")
    assert served.serves() == {"h1": 1, "h2": 1}
    served.run()
    assert served.rollouts[KEY].quarantined[0].code == "unhealthy_after_routing"


def test_without_automatic_rollback_a_sick_version_keeps_its_traffic(served: Paper) -> None:
    text = deployment_file("digits", 9, BOTH, auto=False)
    served.wish = wish({"digits": text}, commit="c2")
    for _ in range(40):
        served.tick()
    assert served.rollouts[KEY].quarantined == ()
    assert (
        served.hosts["h1"]
        .routes["digits"]
        .instance.endswith(served.wish.deployments[KEY].spec_on("h1", "").spec_hash[:8])
    )
    assert Why.UNHEALTHY in codes(served)


def test_a_quarantined_version_is_tried_again_once_its_deadline_changes(served: Paper) -> None:
    ask(served, 5)
    served.run()
    assert "start" not in {action.verb for action in served.plan().actions}
    served.done.clear()
    for number, text in enumerate(
        (
            deployment_file("digits", 5, BOTH, delay=7),
            deployment_file("digits", 5, ["h1"]),
            deployment_file("digits", 5, BOTH, auto=False),
        )
    ):
        served.wish = wish({"digits": text}, commit=f"d{number}")
        served.run()
    assert "start" not in " ".join(served.did())
    text = deployment_file("digits", 5, BOTH, deadline=101)
    served.wish = wish({"digits": text}, commit="c4")
    until(served, "start")


def test_the_newest_commit_supersedes_a_rollout_under_way(served: Paper) -> None:
    ask(served, 5)
    until(served, "start")
    ask(served, 2, commit="c3")
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}
    assert served.rollouts[KEY].quarantined == ()
    assert [len(host.instances) for host in served.hosts.values()] == [1, 1]


def test_going_back_in_git_during_a_rollout_removes_the_candidate(served: Paper) -> None:
    ask(served, 2)
    until(served, "start")
    ask(served, 1, commit="c3")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert [len(host.instances) for host in served.hosts.values()] == [1, 1]


def test_an_unreachable_host_delays_nobody_and_catches_up_when_it_is_back(served: Paper) -> None:
    served.hosts["h2"].is_up = False
    ask(served, 2)
    served.run()
    assert served.serves()["h1"] == 2
    assert codes(served) == {Why.UNREACHABLE}
    served.hosts["h2"].is_up = True
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_host_that_joins_late_and_fails_does_not_take_the_version_from_others(
    served: Paper,
) -> None:
    served.hosts["h2"].is_up = False
    ask(served, 2)
    served.run()
    served.hosts["h2"].is_up = True
    served.failing = {"h2"}
    for _ in range(20):
        served.tick()
    assert served.serves() == {"h1": 2, "h2": 1}
    assert served.rollouts[KEY].quarantined == ()
    assert codes(served) == {Why.ACCEPTANCE_FAILED}


def test_neither_a_dead_host_nor_a_stopped_reconciler_uses_up_the_deadline(served: Paper) -> None:
    served.slow = {"h1", "h2"}
    ask(served, 2)
    until(served, "start")
    served.hosts["h2"].is_up = False
    served.now += 10_000
    served.tick()
    served.hosts["h2"].is_up = True
    served.now += 10_000
    served.slow = set()
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_clock_that_jumps_back_does_not_confuse_the_deadline(served: Paper) -> None:
    ask(served, 2)
    until(served, "start")
    served.now -= 1_000_000
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_suspended_deployment_is_left_alone_whatever_happens(served: Paper) -> None:
    text = deployment_file("digits", 2, BOTH, suspend=True)
    served.wish = wish({"digits": text}, commit="c2")
    kill(served, "h1")
    for _ in range(5):
        served.tick()
    assert served.did() == []
    assert codes(served) == {Why.SUSPENDED}


def test_promotion_waits_for_a_commit_where_git_says_so(served: Paper) -> None:
    text = deployment_file("digits", 2, BOTH, promote=False)
    served.wish = wish({"digits": text}, commit="c2")
    until(served, "accept")
    served.now += 100_000
    for _ in range(5):
        served.tick()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert codes(served) == {Why.WAITING_FOR_PROMOTION}
    served.did()
    ask(served, 2, commit="c3")
    served.run()
    assert served.did()[:2] == ["h1 route", "h2 route"]


def test_an_exited_instance_is_restarted_and_a_vanished_one_started(served: Paper) -> None:
    kill(served, "h1")
    served.hosts["h2"].instances.clear()
    made = served.plan()
    found = {(a.verb, a.reason.code) for a in made.actions}
    assert found == {("restart", Why.EXITED), ("start", Why.VANISHED)}
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}


def test_a_crash_loop_is_restarted_ever_more_slowly_and_then_not_at_all(served: Paper) -> None:
    restarts = []
    for _ in range(200):
        kill(served, "h1")
        made = served.tick(1.0)
        restarts += [served.now for action in made.actions if action.verb == "restart"]
    gaps = [round(b - a) for a, b in pairwise(restarts)]
    assert gaps == [2, 4, 8, 16]
    assert Why.CRASH_LOOP in codes(served)


def test_a_last_known_good_that_is_refused_gets_a_fresh_permit_ever_more_slowly(
    served: Paper,
) -> None:
    renewed = []
    for _ in range(200):
        host = served.hosts["h1"]
        for name, known in host.instances.items():
            host.instances[name] = replace(known, health=Health.REFUSED, detail="permit_expired")
        made = served.tick(1.0)
        renewed += [served.now for action in made.actions if action.verb == "renew"]
    gaps = [round(b - a) for a, b in pairwise(renewed)]
    assert gaps == [2, 4, 8, 16]
    assert served.serves()["h2"] == 1


def test_an_ingress_that_stopped_is_routed_again(served: Paper) -> None:
    served.hosts["h1"].ingress = False
    made = served.plan()
    assert [(a.verb, a.reason.code) for a in made.actions] == [("route", Why.INGRESS_DOWN)]
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}


def test_a_lost_memory_is_rebuilt_from_what_serves(served: Paper) -> None:
    served.rollouts = {}
    served.run()
    assert served.did() == ["h1 preflight", "h2 preflight", "fleet settle"]
    good = served.rollouts[KEY].on("h1").last_good
    assert good is not None
    assert good.version == 1


def test_changed_policies_are_asked_again_before_a_candidate_gets_traffic(served: Paper) -> None:
    ask(served, 2)
    until(served, "start")
    served.did()
    changed = replace(
        served.wish.policies, broken=(Problem("policies/deploy/x.yaml", 1, 1, "odd"),)
    )
    served.wish = replace(served.wish, policies=changed)
    until(served, "route")
    assert served.did()[:2] == ["h1 preflight", "h2 preflight"]


def test_an_action_that_fails_is_tried_again_ever_more_slowly(served: Paper) -> None:
    served.errors = {"preflight": "registry does not answer"}
    ask(served, 2)
    tries = []
    for _ in range(240):
        made = served.tick(1.0)
        tries += [served.now for a in made.actions if wording.place(a) == "h1"]
    gaps = [round(b - a) for a, b in pairwise(tries)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60]
    assert Why.BACKING_OFF in codes(served)
    served.errors = {}
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_revert_that_cannot_be_pushed_does_not_keep_hosts_from_going_back(served: Paper) -> None:
    served.errors = {"push-revert": "no route to the forge"}
    ask(served, 4)
    for _ in range(20):
        served.tick()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert all(len(host.instances) == 1 for host in served.hosts.values())
    served.errors = {}
    served.run()
    assert served.rollouts[KEY].quarantined[0].reverted == "branch"


def test_a_first_version_that_fails_leaves_nothing_behind_and_reverts_nothing() -> None:
    asked = wish({"digits": deployment_file("digits", 4, BOTH)})
    paper = Paper(asked, {name: PaperHost() for name in BOTH})
    paper.run()
    assert paper.serves() == {}
    assert all(host.instances == {} for host in paper.hosts.values())
    assert "git push-revert" not in paper.did()


def test_a_version_that_the_runtime_refuses_fails_before_its_deadline(served: Paper) -> None:
    ask(served, 8)
    begun = served.now
    until(served, "quarantine")
    assert served.now - begun < 100
    assert served.rollouts[KEY].quarantined[0].code == "refused_by_runtime"
    assert served.serves() == {"h1": 1, "h2": 1}


def test_deployments_on_one_host_do_not_wait_for_each_other(served: Paper) -> None:
    served.wish = wish(
        {"digits": deployment_file("digits", 5, BOTH), "fraud": deployment_file("fraud", 1, BOTH)}
    )
    for _ in range(8):
        served.tick()
    assert served.serves("fraud") == {"h1": 1, "h2": 1}


def test_the_dry_run_says_where_what_and_why(served: Paper) -> None:
    ask(served, 2)
    assert served.plan().render().splitlines()[0] == (
        "h1, h2: preflight production/digits (not_verified: version 2 was not checked here yet)"
    )
    served.hosts["h2"].is_up = False
    name = served.wish.deployments[KEY].spec_on("h1", "c2").name
    assert served.plan().render().splitlines()[0] == (
        f"h1: preflight {name} (not_verified: version 2 was not checked here yet)"
    )
    document = served.plan().document()
    assert document["commit"] == "c2"


def test_status_documents_never_disagree_with_the_plan(served: Paper) -> None:
    ask(served, 4)
    served.run()
    observed = {"h1": Unreachable("h1", "cable"), "h2": Unreachable("h2", "cable")}
    found = status.documents(served.wish, observed, served.rollouts, served.now)[KEY]
    assert found["health"] == {"status": "Unreachable", "reason": "h1: cable"}
    waiting = found["waiting"]
    assert isinstance(waiting, list)
    assert {"unreachable"} <= {wait["code"] for wait in waiting if isinstance(wait, dict)}
