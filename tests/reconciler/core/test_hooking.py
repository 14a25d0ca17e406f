"""Hooks of rollouts over a fleet on paper: a gate, a judgement, and who is told."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core import hookruns, outcomes
from reconciler.core.reasons import Why
from registry.core import canonical
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.test_waves import SIX, serving
from tests.reconciler.core.wishes import deployment_file, wish

THREE = SIX[:3]
_AT = "http: {url: 'http://hooks.example/x'}, attempts: 3"
HOOKS = f"""\
  hooks:
    preSync: [{{name: backup, {_AT}}}, {{name: tell, {_AT}}}]
    postSync: [{{name: smoke, {_AT}}}]
    syncFail: [{{name: page, {_AT}}}]
"""
NO = outcomes.Failed("http://hooks.example/x answered 503")


class Hooks:
    """Answers calls; `no` names the hooks that say no. Keeps every event, and what came of it."""

    def __init__(self, *no: str) -> None:
        self.no = set(no)
        self.events: list[tuple[str, str, str]] = []

    def __call__(self, call: hookruns.Call) -> outcomes.Outcome:
        text = canonical.encode(hookruns.event(call)).decode()
        self.events.append((call.run.name, call.id, text))
        return NO if call.run.name in self.no else outcomes.Done()

    def names(self) -> list[str]:
        return [name for name, _, _ in self.events]


def asked(version: int, *no: str) -> tuple[Paper, Hooks]:
    """Three hosts serve version 1 and are asked for `version`, with hooks."""
    paper, hooks = serving(THREE), Hooks(*no)
    paper.answers = hooks
    ask(paper, version)
    return paper, hooks


def ask(paper: Paper, version: int) -> None:
    text = deployment_file("digits", version, THREE, fleet="maxParallel: 1") + HOOKS
    paper.wish = wish({"digits": text}, hosts=THREE, commit=f"v{version}")
    assert not paper.wish.problems


def until(paper: Paper, so: Callable[[], bool]) -> None:
    for _ in range(80):
        if so():
            return
        paper.tick()
    raise AssertionError(paper.plan().render())


def said(paper: Paper) -> list[str]:
    return [wait.reason.text for wait in paper.plan().waits if wait.reason.code is Why.HOOK_FAILED]


def test_hooks_are_called_once_each_before_anything_starts_and_after_all_is_done() -> None:
    paper, hooks = asked(2)
    until(paper, lambda: "backup" in hooks.names())
    assert all(len(host.instances) == 1 for host in paper.hosts.values())
    until(paper, lambda: "smoke" in hooks.names())
    assert set(paper.serves().values()) == {2}
    assert all(len(host.instances) == 2 for host in paper.hosts.values())
    paper.run()
    assert hooks.names() == ["backup", "tell", "smoke"]
    assert all(len(host.instances) == 1 for host in paper.hosts.values())


def test_nothing_changes_while_a_hook_before_the_rollout_says_no() -> None:
    paper, hooks = asked(2, "backup")
    for _ in range(30):
        paper.tick()
        assert all(len(host.instances) == 1 for host in paper.hosts.values())
    assert set(hooks.names()) == {"backup"}
    assert said(paper)[0].startswith("preSync hook backup failed")
    assert said(paper)[0].endswith("times, lately: http://hooks.example/x answered 503")
    assert not paper.quarantined
    hooks.no.clear()
    paper.run()
    assert set(paper.serves().values()) == {2}


def test_a_hook_after_the_rollout_that_never_says_yes_sends_all_back_and_is_told() -> None:
    paper, hooks = asked(2, "smoke")
    paper.run(80)
    assert hooks.names() == ["backup", "tell", "smoke", "smoke", "smoke", "page"]
    assert set(paper.serves().values()) == {1}
    assert len(paper.quarantined) == 1
    entry = paper.rollouts["production/digits"].quarantined[0]
    assert entry.code == Why.HOOK_FAILED
    page = hooks.events[-1][2]
    assert "postSync hook smoke failed 3 times, lately: http://hooks.example/x" in page


def test_whoever_is_told_of_a_failure_may_say_what_they_like() -> None:
    paper, hooks = asked(4, "page")
    paper.run(80)
    assert hooks.names() == ["backup", "tell", "page", "page", "page"]
    assert set(paper.serves().values()) == {1}


def test_every_call_of_one_event_is_the_same_to_the_byte_and_each_rollout_has_its_own() -> None:
    paper, hooks = asked(2, "smoke", "backup")
    until(paper, lambda: len(hooks.events) == 4)
    hooks.no.clear()
    paper.run(80)
    assert len({(call, text) for name, call, text in hooks.events if name == "backup"}) == 1
    ask(paper, 1)
    paper.run(80)
    ask(paper, 2)
    paper.run(80)
    backups = [call for name, call, _ in hooks.events if name == "backup"]
    assert len(set(backups)) == 3


def test_a_yes_from_long_ago_does_not_open_the_gate_of_another_day() -> None:
    paper, hooks = asked(2, "tell")
    until(paper, lambda: "tell" in hooks.names())
    ask(paper, 1)
    paper.run()
    paper.now += 86400
    hooks.no.clear()
    ask(paper, 2)
    paper.run(80)
    assert hooks.names().count("backup") == 2
    assert set(paper.serves().values()) == {2}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.sampled_from(["", "smoke"]))
def test_a_crash_anywhere_calls_again_under_the_same_key_and_ends_alike(
    survives: int, no: str
) -> None:
    paper, hooks = asked(2, no)
    paper.dies_in = survives
    paper.run(120)
    assert set(paper.serves().values()) == ({1} if no else {2})
    keys = {(name, call) for name, call, _ in hooks.events}
    assert len(keys) == len({name for name, _ in keys})
