"""What hosts are asked for while a rollout goes through its strategy, on a fleet on paper."""

from dataclasses import replace

import pytest

from reconciler.core import actions, status
from reconciler.core.measurements import Found, NotEnough, Trouble
from reconciler.core.observed import Health, Phase, Share
from reconciler.core.reasons import Why
from reconciler.core.strategies.progress import State, Verb, Wish
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.wishes import deployment_file, wish

CANARY = (
    "canary: {steps: [{setWeight: 10}, {pause: {duration: 60s}}, {setWeight: 50}, {pause: {}}]}"
)


def ask(paper: Paper, version: int, strategy: str, *, commit: str = "c2") -> None:
    text = deployment_file("digits", version, BOTH, strategy=strategy)
    paper.wish = wish({"digits": text}, commit=commit)
    assert not paper.wish.problems


def shares(paper: Paper) -> dict[str, int | None]:
    """The weight that each host gives to somebody else than who serves."""
    return {
        name: None if route.share is None else route.share.weight
        for name, host in paper.hosts.items()
        for route in host.routes.values()
    }


def state(paper: Paper) -> State | None:
    progress = paper.rollouts[KEY].progress
    return None if progress is None else progress.state


def until(paper: Paper, wanted: State, seconds: float = 10.0) -> None:
    for _ in range(120):
        if state(paper) is wanted:
            return
        paper.tick(seconds)
    raise AssertionError(f"never {wanted}, but {state(paper)}: {paper.plan().render()}")


def person(paper: Paper, verb: Verb, reason: str = "because") -> None:
    known = paper.rollouts[KEY]
    paper.rollouts = {**paper.rollouts, KEY: replace(known, wish=Wish(reason, verb, reason))}


def kill(paper: Paper, version: int, host: str = "h1") -> None:
    there = paper.hosts[host].instances
    for name, known in there.items():
        if known.version == version:
            there[name] = replace(known, phase=Phase.EXITED, health=Health.NONE, exit_code=137)


def test_a_canary_gets_more_and_more_on_all_hosts_and_then_everything(served: Paper) -> None:
    ask(served, 2, CANARY)
    until(served, State.WAITING)
    assert shares(served) == {"h1": 10, "h2": 10}
    assert served.serves() == {"h1": 1, "h2": 1}
    began = served.now
    until(served, State.PAUSED)
    assert served.now - began >= 60
    assert shares(served) == {"h1": 50, "h2": 50}
    for _ in range(10):
        served.tick(3600.0)
    assert shares(served) == {"h1": 50, "h2": 50}
    person(served, Verb.PROMOTE)
    served.run()
    assert shares(served) == {"h1": None, "h2": None}
    assert served.serves() == {"h1": 2, "h2": 2}
    assert [len(host.instances) for host in served.hosts.values()] == [1, 1]
    assert served.rollouts[KEY].progress is None


def test_a_candidate_that_dies_with_a_share_sends_all_hosts_back(served: Paper) -> None:
    ask(served, 2, CANARY)
    until(served, State.WAITING)
    kill(served, 2, "h2")
    served.tick()
    assert shares(served) == {"h1": None, "h2": None}
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert served.rollouts[KEY].quarantined[0].code == Why.UNHEALTHY_AFTER_ROUTING
    assert served.rollouts[KEY].quarantined[0].reverted == "branch"


def test_a_candidate_that_sickens_beside_one_that_was_not_found_good_yet_is_sent_back_once(
    served: Paper,
) -> None:
    """Version 3 has all traffic, and its predecessor is still there; nothing was settled before."""
    served.rollouts = {}
    for host in served.hosts.values():
        host.instances.clear()
        host.routes.clear()
    served.wish = wish({"digits": deployment_file("digits", 3, BOTH, delay=600)}, commit="c2")
    for _ in range(8):
        served.tick()
    assert served.serves() == {"h1": 3, "h2": 3}
    ask(served, 9, CANARY, commit="c3")
    served.run()
    assert served.serves() == {"h1": 3, "h2": 3}
    assert shares(served) == {"h1": None, "h2": None}
    assert [len(host.instances) for host in served.hosts.values()] == [1, 1]
    (entry,) = served.rollouts[KEY].quarantined
    assert entry.code == Why.UNHEALTHY_AFTER_ROUTING


def test_a_newer_commit_gives_traffic_back_first_and_starts_anew(served: Paper) -> None:
    ask(served, 2, CANARY)
    until(served, State.WAITING)
    served.done.clear()
    ask(served, 3, CANARY, commit="c3")
    served.tick()
    assert shares(served) == {"h1": None, "h2": None}
    until(served, State.WAITING)
    verbs = [action.verb for action in served.done]
    assert verbs.index("shift") < verbs.index("start")
    assert shares(served) == {"h1": 10, "h2": 10}


def test_the_first_version_of_all_has_nobody_to_share_with(served: Paper) -> None:
    served.rollouts = {}
    for host in served.hosts.values():
        host.instances.clear()
        host.routes.clear()
    ask(served, 2, CANARY)
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_host_that_comes_back_late_catches_up_with_the_present_step(served: Paper) -> None:
    served.hosts["h2"].is_up = False
    ask(served, 2, CANARY)
    until(served, State.PAUSED)
    assert shares(served) == {"h1": 50, "h2": None}
    served.hosts["h2"].is_up = True
    for _ in range(10):
        served.tick()
    assert shares(served) == {"h1": 50, "h2": 50}


def test_the_step_is_found_again_after_a_look_at_memory_alone(served: Paper) -> None:
    ask(served, 2, CANARY)
    until(served, State.WAITING)
    share = Share(served.wish.deployments[KEY].spec_on("h1", "c2").name, 10)
    assert served.hosts["h1"].routes["digits"].share == share
    for host in served.hosts.values():
        host.routes["digits"] = replace(host.routes["digits"], share=None)
    served.tick()
    assert shares(served) == {"h1": 10, "h2": 10}


def test_a_person_can_stop_it_and_let_it_go_on(served: Paper) -> None:
    ask(served, 2, CANARY)
    until(served, State.WAITING)
    person(served, Verb.PAUSE, "lunch")
    for _ in range(20):
        served.tick()
    assert state(served) is State.HELD
    assert shares(served) == {"h1": 10, "h2": 10}
    person(served, Verb.RESUME, "back")
    until(served, State.PAUSED)
    assert shares(served) == {"h1": 50, "h2": 50}


def test_a_person_can_send_it_back(served: Paper) -> None:
    ask(served, 2, CANARY)
    until(served, State.PAUSED)
    person(served, Verb.ABORT, "support is flooded")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert shares(served) == {"h1": None, "h2": None}
    entry = served.rollouts[KEY].quarantined[0]
    assert entry.code == Why.ABORTED
    assert "support is flooded" in entry.reason


def test_a_person_can_skip_all_that_is_left(served: Paper) -> None:
    ask(served, 2, CANARY)
    until(served, State.WAITING)
    person(served, Verb.PROMOTE_FULL)
    served.tick()
    served.tick()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_hosts_roll_one_after_the_other(served: Paper) -> None:
    ask(served, 2, "rolling: {}")
    served.run()
    starts = [a.host for a in served.done if isinstance(a, actions.Start)]
    routes = [a.host for a in served.done if isinstance(a, actions.RouteTo)]
    assert (starts, routes) == (["h1", "h2"], ["h1", "h2"])
    order = [a.host for a in served.done if isinstance(a, actions.Start | actions.RouteTo)]
    assert order == ["h1", "h1", "h2", "h2"]


def test_a_shadow_gets_copies_and_is_promoted_in_the_end(served: Paper) -> None:
    ask(served, 2, "shadow: {percentage: 50, duration: 60s}")
    until(served, State.WAITING)
    share = served.hosts["h1"].routes["digits"].share
    assert share is not None
    assert (share.weight, share.mirror) == (0, 50)
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_shadow_that_only_looks_leaves_again_and_can_still_be_promoted(served: Paper) -> None:
    ask(served, 2, "shadow: {duration: 60s, onSuccess: end}")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert [len(host.instances) for host in served.hosts.values()] == [1, 1]
    assert served.rollouts[KEY].quarantined == ()
    person(served, Verb.PROMOTE)
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_clients_of_a_test_of_two_stay_where_they_were_sent(served: Paper) -> None:
    ask(
        served,
        2,
        "abTest: {sticky: {header: x-user}, steps: [{setWeight: 10}, {pause: {duration: 60s}}]}",
    )
    until(served, State.WAITING)
    share = served.hosts["h1"].routes["digits"].share
    assert share is not None
    assert share.sticky is not None
    assert (share.sticky.by, share.sticky.name) == ("header", "x-user")
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_strategy_that_is_edited_under_way_begins_anew(served: Paper) -> None:
    ask(served, 2, CANARY)
    until(served, State.PAUSED)
    ask(served, 2, "canary: {steps: [{setWeight: 5}, {pause: {}}]}", commit="c3")
    served.tick()
    assert shares(served) == {"h1": 5, "h2": 5}
    served.tick()
    assert state(served) is State.PAUSED


def test_the_status_says_where_a_rollout_is(served: Paper) -> None:
    ask(served, 2, CANARY)
    until(served, State.PAUSED)
    observed = served.observed()
    found = status.documents(served.wish, observed, served.rollouts, served.now)[KEY]
    where = found["rollout"]
    assert isinstance(where, dict)
    assert [where[name] for name in ("strategy", "state", "step", "steps", "weight")] == [
        "canary", "paused", 4, 6, 50,
    ]  # fmt: skip
    assert isinstance(found["health"], dict)
    assert found["health"]["status"] == "Suspended"
    served.run()
    served.rollouts = {}
    found = status.documents(served.wish, observed, served.rollouts, served.now)[KEY]
    assert found["rollout"] is None


LATENCY = """\
apiVersion: plimsoll.dev/v1
kind: AnalysisTemplate
metadata: {name: latency}
spec:
  metrics:
    - name: p99
      interval: 10s
      COUNT
      successCondition: result < 0.5
      failureCondition: result > 0.8
      provider: {prometheus: {address: "http://prometheus:9090", query: p99}}
"""
BY = "{templates: [{templateName: latency}]}"


def analysed(paper: Paper, strategy: str, *, count: str = "count: 2") -> None:
    text = deployment_file("digits", 2, BOTH, strategy=strategy)
    templates = {"models.d/templates/latency.yaml": LATENCY.replace("COUNT", count)}
    paper.wish = wish({"digits": text}, commit="c2", policies=templates)
    assert not paper.wish.problems


def test_a_step_waits_until_its_analysis_has_succeeded(served: Paper) -> None:
    served.measured = lambda _: Found(0.1)
    analysed(
        served, f"canary: {{steps: [{{setWeight: 10}}, {{analysis: {BY}}}, {{setWeight: 50}}]}}"
    )
    until(served, State.MEASURING)
    assert shares(served) == {"h1": 10, "h2": 10}
    served.run()
    measured = [action for action in served.done if isinstance(action, actions.Measure)]
    assert len(measured) == 2
    assert [pair.candidate.host for pair in measured[0].pairs] == ["h1", "h2"]
    assert all(pair.stable for pair in measured[0].pairs)
    assert served.serves() == {"h1": 2, "h2": 2}


def test_an_analysis_that_fails_sends_all_hosts_back(served: Paper) -> None:
    served.measured = lambda _: Found(0.9)
    analysed(served, f"canary: {{steps: [{{setWeight: 10}}, {{analysis: {BY}}}]}}")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert shares(served) == {"h1": None, "h2": None}
    assert served.rollouts[KEY].quarantined[0].code == Why.ANALYSIS_FAILED


def test_an_analysis_without_a_conclusion_waits_for_a_person(served: Paper) -> None:
    served.measured = lambda _: Found(0.6)
    analysed(served, f"canary: {{steps: [{{setWeight: 10}}, {{analysis: {BY}}}]}}")
    until(served, State.HELD)
    for _ in range(10):
        served.tick(600.0)
    assert shares(served) == {"h1": 10, "h2": 10}
    assert Why.INCONCLUSIVE in {wait.reason.code for wait in served.plan().waits}
    person(served, Verb.PROMOTE)
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_source_that_does_not_answer_ends_it_only_after_its_limit(served: Paper) -> None:
    served.measured = lambda _: Trouble("no route to host")
    analysed(served, f"canary: {{steps: [{{setWeight: 10}}, {{analysis: {BY}}}]}}")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert len([action for action in served.done if isinstance(action, actions.Measure)]) == 5
    assert served.rollouts[KEY].quarantined[0].code == Why.ANALYSIS_ERRED


def test_too_few_samples_neither_fail_nor_go_on(served: Paper) -> None:
    served.measured = lambda _: NotEnough("3 samples")
    analysed(served, f"canary: {{steps: [{{setWeight: 10}}, {{analysis: {BY}}}]}}")
    for _ in range(25):
        served.tick(60.0)
    assert state(served) is State.MEASURING
    assert shares(served) == {"h1": 10, "h2": 10}


@pytest.mark.parametrize(("timeout", "seconds"), [("", 1810), (", timeout: 5m", 300)])
def test_an_analysis_that_takes_too_long_asks_a_person(
    served: Paper, timeout: str, seconds: int
) -> None:
    served.measured = lambda _: NotEnough("3 samples")
    by = f"{{templates: [{{templateName: latency}}]{timeout}}}"
    analysed(served, f"canary: {{steps: [{{setWeight: 10}}, {{analysis: {by}}}]}}")
    until(served, State.MEASURING)
    began = served.now
    until(served, State.HELD, 20.0)
    assert seconds <= served.now - began <= seconds + 60
    [wait] = [wait for wait in served.plan().waits if wait.reason.code == Why.INCONCLUSIVE]
    assert f"given up after {seconds} s" in wait.reason.text
    assert shares(served) == {"h1": 10, "h2": 10}
    person(served, Verb.RESUME)
    until(served, State.MEASURING)


def test_suspended_a_rollout_stays_as_it_is_and_its_step_begins_anew(served: Paper) -> None:
    steps = "canary: {steps: [{setWeight: 10}, {pause: {duration: 60s}}]}"
    ask(served, 2, steps)
    until(served, State.WAITING)
    served.tick(50.0)
    served.done.clear()
    text = deployment_file("digits", 2, BOTH, strategy=steps, suspend=True)
    served.wish = wish({"digits": text}, commit="c3")
    for _ in range(10):
        served.tick(600.0)
    assert served.did() == []
    assert state(served) is State.HELD
    assert shares(served) == {"h1": 10, "h2": 10}
    ask(served, 2, steps, commit="c4")
    began = served.now
    until(served, State.PROMOTING)
    assert served.now - began >= 60


def test_an_edited_strategy_begins_anew_before_a_wish_about_the_old_one_counts(
    served: Paper,
) -> None:
    ask(served, 2, CANARY)
    until(served, State.WAITING)
    until(served, State.PAUSED)
    ask(served, 2, "canary: {steps: [{setWeight: 20}, {pause: {}}]}", commit="c3")
    person(served, Verb.PROMOTE)
    for _ in range(5):
        served.tick()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert shares(served) == {"h1": 20, "h2": 20}


def test_what_runs_beside_the_steps_ends_a_rollout_in_the_middle_of_a_pause(served: Paper) -> None:
    found = [Found(0.1), Found(0.1), Found(0.9)]
    served.measured = lambda _: found.pop(0) if len(found) > 1 else found[0]
    steps = "[{setWeight: 10}, {pause: {duration: 1h}}]"
    beside = "{startingStep: 1, templates: [{templateName: latency}]}"
    analysed(served, f"canary: {{steps: {steps}, analysis: {beside}}}", count="failureLimit: 0")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert served.rollouts[KEY].quarantined[0].code == Why.ANALYSIS_FAILED


def test_blue_and_green_are_analysed_before_and_after_the_switch(served: Paper) -> None:
    served.measured = lambda _: Found(0.1)
    analysed(served, f"blueGreen: {{prePromotionAnalysis: {BY}, postPromotionAnalysis: {BY}}}")
    until(served, State.MEASURING)
    assert served.serves() == {"h1": 1, "h2": 1}
    until(served, State.PROMOTING)
    until(served, State.MEASURING)
    assert served.serves() == {"h1": 2, "h2": 2}
    served.measured = lambda _: Found(0.9)
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}


def test_a_shadow_is_judged_once_its_time_is_over(served: Paper) -> None:
    served.measured = lambda _: Found(0.1)
    shadow = f"shadow: {{duration: 60s, analysis: {BY}}}"
    analysed(served, shadow, count="failureLimit: 0")
    until(served, State.WAITING)
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}
    assert len([action for action in served.done if isinstance(action, actions.Measure)]) > 3


def test_a_shadow_of_which_nothing_was_measured_waits_for_a_person(served: Paper) -> None:
    served.measured = lambda _: NotEnough("3 samples")
    shadow = f"shadow: {{duration: 60s, analysis: {BY}}}"
    analysed(served, shadow, count="failureLimit: 0")
    until(served, State.HELD)
    assert served.serves() == {"h1": 1, "h2": 1}
