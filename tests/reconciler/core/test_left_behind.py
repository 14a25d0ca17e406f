"""A rollout that Git left midway, or stands still over, is not remembered as if it had gone on."""

from collections.abc import Callable
from dataclasses import replace

from reconciler.core import setback
from reconciler.core.rollout import NO_ROLLOUT, Pin
from reconciler.core.strategies.progress import State, Verb, Wish
from tests.reconciler.core import test_hooking as hooked
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.test_crash_points import PLAIN, ask, play, rolled_out, wrong
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

NONE_BEGINS = """\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {name: freeze}
spec: {mode: enforce, validations: [{expression: 'false', message: 'a freeze'}]}
"""
CANARY = "canary: {steps: [{setWeight: 10}, {pause: {}}]}"


def until(paper: Paper, so: Callable[[], bool]) -> None:
    for _ in range(100):
        if so():
            return
        paper.tick()
    raise AssertionError(paper.plan().render())


def state(paper: Paper) -> State | None:
    progress = paper.rollouts[KEY].progress
    return None if progress is None else progress.state


def test_a_candidate_that_never_came_to_be_does_not_run_out_of_time_once_git_has_left_it() -> None:
    """Killed right before it was started; Git goes back for longer than its deadline."""
    intended = 0
    for dead in rolled_out(PLAIN["blueGreen"], 2).deaths:
        there = {host: dead.rollouts[KEY].on(host).candidate for host in BOTH}
        missing = [
            host
            for host, one in there.items()
            if one is not None and one.spec.name not in dead.hosts[host].instances
        ]
        if not missing:
            continue
        intended += 1
        ask(dead, 1, strategy=PLAIN["blueGreen"])
        for _ in range(30):
            dead.tick()
        assert all(dead.rollouts[KEY].on(host).candidate is None for host in BOTH)
        ask(dead, 2, strategy=PLAIN["blueGreen"])
        play(dead)
        assert wrong(dead, 2) == ""
        assert dead.quarantined == set()
    assert intended >= 2


def test_a_rollout_left_for_a_version_that_is_quarantined_begins_anew() -> None:
    paper = rolled_out(CANARY, 4)
    assert len(paper.quarantined) == 1
    ask(paper, 2, strategy=CANARY)
    until(paper, lambda: state(paper) is State.PAUSED)
    ask(paper, 4, strategy=CANARY)
    paper.run()
    assert state(paper) is None
    paper.done.clear()
    ask(paper, 2, strategy=CANARY)
    paper.tick()
    assert state(paper) is None
    until(paper, lambda: state(paper) is State.PAUSED)


def test_what_a_person_let_go_on_is_not_let_go_on_when_it_is_asked_for_again() -> None:
    """The wish comes in while Git is on its way back."""
    paper = rolled_out(CANARY, 4)
    ask(paper, 2, strategy=CANARY)
    until(paper, lambda: state(paper) is State.PAUSED)
    wished = Wish("go", Verb.PROMOTE, "looks well")
    paper.rollouts = {**paper.rollouts, KEY: replace(paper.rollouts[KEY], wish=wished)}
    ask(paper, 1, strategy=CANARY)
    paper.run()
    assert (paper.rollouts[KEY].wish, paper.rollouts[KEY].granted) == (None, "go")
    ask(paper, 2, strategy=CANARY)
    paper.run()
    assert state(paper) is State.PAUSED


def test_a_yes_to_a_rollout_that_was_taken_back_is_none_to_the_next_one() -> None:
    paper, hooks = hooked.asked(2)
    until(paper, lambda: any(len(host.instances) == 2 for host in paper.hosts.values()))
    hooked.ask(paper, 1)
    paper.run()
    hooked.ask(paper, 2)
    paper.run()
    assert hooks.names() == ["backup", "tell", "backup", "tell", "smoke"]
    assert len({call for _, call, _ in hooks.events}) == 5


def test_a_yes_to_a_rollout_that_a_person_sent_back_is_none_to_its_retry() -> None:
    paper, hooks = hooked.asked(2)
    until(paper, lambda: any(len(host.instances) == 2 for host in paper.hosts.values()))
    for verb in (Verb.ROLLBACK, Verb.RETRY):
        wished = Wish(verb, verb, "so", "alice")
        paper.rollouts = {**paper.rollouts, KEY: replace(paper.rollouts[KEY], wish=wished)}
        paper.run()
    assert set(paper.serves().values()) == {2}
    assert hooks.names() == ["backup", "tell", "page", "backup", "tell", "smoke"]


def test_a_yes_before_a_rollout_that_did_not_begin_counts_for_ten_minutes() -> None:
    paper, hooks = hooked.asked(2)
    until(paper, lambda: "tell" in hooks.names())
    hooked.ask(paper, 1)
    paper.run()
    hooked.ask(paper, 2)
    paper.run()
    assert hooks.names() == ["backup", "tell", "smoke"]


def test_nobody_is_asked_again_while_the_host_that_began_is_out_of_sight() -> None:
    paper, hooks = hooked.asked(2)
    until(paper, lambda: 2 in paper.serves().values())
    (first,) = [name for name, version in paper.serves().items() if version == 2]
    paper.hosts[first].is_up = False
    paper.now += 3600
    paper.run()
    paper.hosts[first].is_up = True
    paper.run()
    assert set(paper.serves().values()) == {2}
    assert hooks.names() == ["backup", "tell", "smoke"]


def test_the_time_of_a_candidate_does_not_run_while_git_wants_nothing_touched() -> None:
    """Nor while its file is wrong: what takes long is the person who mends it."""
    still = deployment_file("digits", 2, BOTH, suspend=True)
    for text in (still, still.replace("version: 2", "version: two")):
        paper = next(dead for dead in rolled_out(CANARY, 2).deaths if is_waiting(dead))
        paper.wish = wish({"digits": text}, hosts=BOTH, commit="c3")
        for _ in range(50):
            paper.tick()
        assert is_waiting(paper)
        ask(paper, 2, strategy=CANARY)
        play(paper)
        assert wrong(paper, 2) == ""
        assert paper.quarantined == set()


def is_waiting(paper: Paper) -> bool:
    """Whether a candidate is there on h1 that was not accepted yet."""
    known = paper.rollouts[KEY].on("h1").candidate
    is_there = known is not None and known.spec.name in paper.hosts["h1"].instances
    return known is not None and is_there and known.acceptance is None


def test_a_deployment_that_comes_again_is_new_but_for_what_is_quarantined() -> None:
    paper = rolled_out(CANARY, 4)
    ask(paper, 2, strategy=CANARY)
    until(paper, lambda: state(paper) is State.PAUSED)
    pin = Pin("p", 3, digest_of(3), "the audit", "alice", paper.now + 1e6)
    paper.rollouts = {**paper.rollouts, KEY: replace(paper.rollouts[KEY], pin=pin)}
    paper.wish = wish({}, hosts=BOTH, commit="c5", allow_empty=True)
    paper.run()
    (entry,) = paper.rollouts[KEY].quarantined
    assert paper.rollouts == {KEY: replace(NO_ROLLOUT, quarantined=(entry,))}
    ask(paper, 2, strategy=CANARY)
    paper.run()
    assert wrong(paper, 2) == ""


def test_what_a_person_let_go_on_is_about_the_strategy_that_they_have_seen() -> None:
    paper = rolled_out(PLAIN["blueGreen"], 1)
    ask(paper, 2, strategy=CANARY)
    until(paper, lambda: state(paper) is State.PAUSED)
    wished = Wish("go", Verb.PROMOTE, "10 % look well")
    paper.rollouts = {**paper.rollouts, KEY: replace(paper.rollouts[KEY], wish=wished)}
    ask(paper, 2, strategy="canary: {steps: [{pause: {}}, {setWeight: 10}]}")
    paper.run()
    progress = paper.rollouts[KEY].progress
    assert progress is not None
    assert (progress.index, progress.state) == (0, State.PAUSED)
    assert (paper.rollouts[KEY].wish, paper.rollouts[KEY].granted) == (None, "go")


def test_who_is_told_of_a_failure_is_told_once_though_the_clock_is_set_back() -> None:
    paper, hooks = hooked.asked(4)
    until(paper, lambda: len(paper.rollouts[KEY].quarantined) == 1)
    paper.now -= 3600
    paper.rollouts = setback.not_ahead(paper.rollouts, paper.now)
    for _ in range(40):
        paper.tick()
    assert hooks.names().count("page") == 1


def test_a_no_does_not_wait_for_the_clock_to_catch_up() -> None:
    paper, hooks = hooked.asked(2, "backup")
    until(paper, lambda: "backup" in hooks.names())
    hooks.no.clear()
    paper.now -= 3600
    paper.rollouts = setback.not_ahead(paper.rollouts, paper.now)
    paper.run()
    assert set(paper.serves().values()) == {2}
    assert len({call for name, call, _ in hooks.events if name == "backup"}) == 1


def test_a_host_that_comes_back_with_what_was_taken_back_opens_no_gate() -> None:
    """It was out of sight while Git went back; now the hook says no."""
    paper, hooks = hooked.asked(2)
    until(paper, lambda: any(len(host.instances) == 2 for host in paper.hosts.values()))
    (away,) = [host for host in paper.hosts.values() if len(host.instances) == 2]
    away.is_up = False
    hooked.ask(paper, 1)
    paper.run()
    hooks.no = {"backup"}
    hooked.ask(paper, 2)
    paper.tick()
    away.is_up = True
    for _ in range(30):
        paper.tick()
    assert set(paper.serves().values()) == {1}
    assert "smoke" not in hooks.names()
    hooks.no.clear()
    paper.run()
    assert set(paper.serves().values()) == {2}


def test_a_policy_that_holds_beginnings_back_lets_go_on_what_began_on_a_host_out_of_sight() -> None:
    canary = "canary: {steps: [{setWeight: 10}]}"
    paper = rolled_out(canary, 2, fleet="maxParallel: 1").deaths[0]
    ask(paper, 2, strategy=canary, fleet="maxParallel: 1")
    until(paper, lambda: paper.rollouts[KEY].on("h1").candidate is not None)
    paper.hosts["h1"].is_up = False
    text = deployment_file("digits", 2, BOTH, strategy=canary, fleet="maxParallel: 1")
    files = {"policies/plan/freeze.yaml": NONE_BEGINS}
    paper.wish = wish({"digits": text}, hosts=BOTH, commit="c3", policies=files)
    assert not paper.wish.problems
    until(paper, lambda: paper.serves().get("h2") == 2)
