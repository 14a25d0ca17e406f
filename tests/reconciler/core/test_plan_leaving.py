"""What the planner removes, hands over, and leaves alone because it may be a mistake."""

from dataclasses import replace

from reconciler.core import desired
from reconciler.core.observed import Health, Phase, Unreachable
from reconciler.core.plan import plan
from reconciler.core.reasons import Why
from tests.reconciler.core.asking import BOTH, KEY, ask
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.wishes import deployment_file, host_file, wish


def codes(paper: Paper) -> set[Why]:
    return {wait.reason.code for wait in paper.plan().waits}


def kill(paper: Paper, host: str) -> None:
    instances = paper.hosts[host].instances
    for name, known in instances.items():
        instances[name] = replace(known, phase=Phase.EXITED, health=Health.NONE, exit_code=137)


def test_what_leaves_git_is_unrouted_removed_and_forgotten(served: Paper) -> None:
    other = deployment_file("other", 1, ["h1"])
    served.wish = wish({"other": other}, commit="c2")
    served.run()
    assert served.serves() == {}
    assert all(
        instance.deployment != KEY
        for host in served.hosts.values()
        for instance in host.instances.values()
    )
    assert KEY not in served.rollouts


def test_a_host_that_is_no_target_any_more_loses_the_deployment(served: Paper) -> None:
    ask(served, 1, hosts=("h1",))
    served.run()
    assert served.serves() == {"h1": 1}
    assert served.did() == ["h2 unroute", "h2 remove", "h2 forget"]


def test_an_empty_desired_state_prunes_nothing(served: Paper) -> None:
    served.wish = wish({}, commit="c2")
    assert served.plan().actions == ()
    assert codes(served) == {Why.EMPTY_DESIRED_STATE}
    kill(served, "h1")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}


def test_an_empty_desired_state_prunes_all_when_told_to(served: Paper) -> None:
    served.wish = wish({}, commit="c2", allow_empty=True)
    served.run()
    assert [host.instances for host in served.hosts.values()] == [{}, {}]


def test_a_broken_file_keeps_its_deployment_as_it_was_and_alive(served: Paper) -> None:
    served.wish = wish({"digits": "version: [", "other": deployment_file("other", 1, ["h1"])})
    kill(served, "h1")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert served.serves("other") == {"h1": 1}
    assert Why.INVALID_FILE in codes(served)


def test_nothing_is_pruned_while_a_file_that_may_have_moved_is_broken(served: Paper) -> None:
    served.wish = wish({"numbers": "version: [", "other": deployment_file("other", 1, ["h1"])})
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert Why.INVALID_FILE in codes(served)


def test_a_deployment_that_is_renamed_hands_its_traffic_over(served: Paper) -> None:
    served.wish = wish({"numbers": deployment_file("numbers", 1, BOTH, model="digits")})
    for _ in range(30):
        served.tick()
        assert served.serves() == {"h1": 1, "h2": 1}
    owners = {r.deployment for host in served.hosts.values() for r in host.routes.values()}
    assert owners == {"production/numbers"}
    assert all(len(host.instances) == 1 for host in served.hosts.values())


def test_a_deployment_that_changes_its_model_drops_the_old_one_last(served: Paper) -> None:
    served.wish = wish({"digits": deployment_file("digits", 1, BOTH, model="numbers")})
    served.run()
    assert served.serves("numbers") == {"h1": 1, "h2": 1}
    assert served.serves("digits") == {}
    last = ["fleet settle", "h1 unroute", "h2 unroute", "h1 remove", "h2 remove"]
    assert served.did()[-5:] == last


def test_a_host_that_is_not_declared_is_not_touched(served: Paper) -> None:
    text = deployment_file("digits", 1, BOTH)
    files = {
        "models.d/production/digits.yaml": text.encode(),
        "models.d/hosts/h1.yaml": host_file("h1").encode(),
        "models.d/hosts/h2.yaml": b"kind: [",
    }
    state = desired.load(
        {**files, "policies/deploy/p.yaml": b"", "models.d/templates/golden.yaml": b""}, commit="c2"
    )
    made = plan(state, {"h1": Unreachable("h1", "x")}, served.rollouts, served.now)
    assert made.actions == ()
