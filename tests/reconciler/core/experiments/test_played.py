"""An experiment from its file to its decision, on a fleet on paper."""

from dataclasses import replace

import pytest

from reconciler.core import desired, outcomes, status
from reconciler.core.experiments import applied
from reconciler.core.experiments.run import Verdict
from reconciler.core.measurements import Trouble
from reconciler.core.observed import Sticky, StickyBy
from reconciler.core.reasons import Why
from reconciler.core.strategies.progress import State, Verb, Wish
from registry.core.canonical import Json
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.experiments.played import (
    GUARD,
    PATH,
    Users,
    asked,
    experiment_file,
    is_decided,
    is_over,
    is_shared,
    run_of,
    until,
)
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.wishes import deployment_file, wish

BETTER = {"conversion": (0.1, 0.2)}
ALIKE = {"conversion": (0.1, 0.1)}


def document(paper: Paper) -> dict[str, Json]:
    state = applied.wanted(paper.wish, paper.rollouts, paper.now)
    return status.documents(state, paper.observed(), paper.rollouts, paper.now)[KEY]


def person(paper: Paper, verb: Verb) -> None:
    known = paper.rollouts[KEY]
    asks = Wish(f"{verb}{paper.now}", verb, "I say so", "alice")
    paper.rollouts = {**paper.rollouts, KEY: replace(known, wish=asks)}


def shared(served: Paper, users: Users, **fields: object) -> Paper:
    """An experiment under way on both hosts."""
    served.looked = users
    served.wish = asked(experiment_file(**fields))  # type: ignore[arg-type]  as given
    assert served.wish.problems == ()
    until(served, is_shared)
    return served


def weights(paper: Paper) -> set[tuple[int, Sticky | None]]:
    """What the treatment gets on each host, and by what users are told apart."""
    found = [host.routes["digits"].share for host in paper.hosts.values()]
    return {(share.weight, share.sticky) for share in found if share is not None}


def over(paper: Paper) -> tuple[Verdict, str]:
    until(paper, is_over)
    decision = run_of(paper).decision
    assert decision is not None
    assert paper.serves() == {"h1": 1, "h2": 1}
    paper.run()
    assert paper.rollouts[KEY].progress is None
    return decision.verdict, decision.reason


def test_a_better_version_wins_and_git_alone_brings_it(served: Paper) -> None:
    paper = shared(served, Users(BETTER), weight=30)
    assert weights(paper) == {(30, Sticky(StickyBy.COOKIE, "experiment"))}
    paper.looked = Users(BETTER, part=0.3)
    verdict, reason = over(paper)
    assert verdict is Verdict.TREATMENT
    assert reason.startswith("new is better; conversion: new 0.2")
    assert paper.rollouts[KEY].quarantined == ()
    paper.wish = asked(experiment_file(weight=30), version=2, commit="c3")
    paper.run()
    assert paper.serves() == {"h1": 2, "h2": 2}


@pytest.mark.parametrize(
    ("users", "fields", "verdict", "said"),
    [
        (Users({"conversion": (0.2, 0.1)}), {}, Verdict.CONTROL, "old is better"),
        (Users(BETTER), {"better": "lower"}, Verdict.CONTROL, "old is better"),
        (Users(ALIKE), {}, Verdict.NO_DIFFERENCE, "no difference that matters"),
        (Users(ALIKE), {"samples": 1000}, Verdict.NO_DIFFERENCE, "no winner after 1200 observ"),
        (Users(ALIKE, each_look=2), {"time": "5m"}, Verdict.NO_DIFFERENCE, "no winner after 5m"),
        (Users(BETTER, part=0.4), {}, Verdict.MISMATCH, "where 50 % of all were meant"),
        (
            Users({**BETTER, "errors": (0.01, 0.2)}),
            {"guardrails": GUARD},
            Verdict.GUARDRAIL,
            "worse by more than 0.02; errors: new 0.2",
        ),
    ],
    ids=str,
)
def test_what_it_comes_to(
    served: Paper, users: Users, fields: dict[str, object], verdict: Verdict, said: str
) -> None:
    found, reason = over(shared(served, users, **fields))
    assert found is verdict
    assert said in reason


def test_it_begins_once_the_control_serves_everywhere_and_not_before(served: Paper) -> None:
    served.hosts["h2"].is_up = False
    served.wish = asked(experiment_file())
    served.tick()
    assert "cannot begin: h2 cannot be reached" in served.plan().render()
    served.hosts["h2"].is_up = True
    served.wish = asked(experiment_file(control=7))
    served.tick()
    said = "production/digits asks for version 1, and old is version 7"
    assert f"cannot begin: {said}" in served.plan().render()
    assert served.rollouts[KEY].experiment is None


def test_it_is_shown_while_it_runs_and_the_deployment_is_as_git_asks(served: Paper) -> None:
    paper = shared(served, Users(ALIKE, each_look=40))
    until(paper, lambda paper: run_of(paper).looks > 2)
    said = document(paper)
    assert said["sync"] == {"status": "Synced", "reason": ""}
    shown, rollout = said["experiment"], said["rollout"]
    assert isinstance(shown, dict)
    assert isinstance(rollout, dict)
    assert [shown["state"], shown["name"]] == ["running", "bigger"]
    assert rollout["strategy"] == "experiment"
    command = f"plimsoll abort {KEY} --reason WHY"
    abort = {"verb": "abort", "does": "go back", "command": command}
    assert rollout["commands"] == [abort]
    (wait,) = [one for one in paper.plan().waits if one.reason.code == Why.WAITING_FOR_EXPERIMENT]
    assert "with 95 % confidence" in wait.reason.text


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.PROMOTE_FULL, Verb.PAUSE])
def test_nobody_makes_more_of_it_by_hand(served: Paper, verb: Verb) -> None:
    paper = shared(served, Users(ALIKE, each_look=0))
    person(paper, verb)
    for _ in range(5):
        paper.tick()
    assert paper.rollouts[KEY].wish is None
    progress = paper.rollouts[KEY].progress
    assert progress is not None
    assert progress.state is State.OBSERVING
    assert paper.serves() == {"h1": 1, "h2": 1}


def test_a_person_ends_it(served: Paper) -> None:
    paper = shared(served, Users(ALIKE, each_look=0))
    person(paper, Verb.ABORT)
    verdict, reason = over(paper)
    assert (verdict, "I say so" in reason) == (Verdict.STOPPED, True)
    assert paper.rollouts[KEY].quarantined[0].reverted is None


def test_a_treatment_that_sickens_ends_it_at_once(served: Paper) -> None:
    served.looked = Users(ALIKE, each_look=0)
    served.wish = asked(experiment_file(treatment=9))
    until(served, is_decided)
    verdict, reason = over(served)
    assert (verdict, "became unhealthy" in reason) == (Verdict.STOPPED, True)


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (asked(None, commit="c3"), "is no longer in Git"),
        (asked(experiment_file(weight=20), commit="c3"), "bigger.yaml was changed"),
    ],
)
def test_what_git_takes_back_ends_it(served: Paper, then: object, said: str) -> None:
    paper = shared(served, Users(ALIKE, each_look=0))
    paper.wish = then  # type: ignore[assignment]  a desired state
    until(paper, is_decided)
    decision = run_of(paper).decision
    assert decision is not None
    assert (decision.verdict, said in decision.reason) == (Verdict.STOPPED, True)


def test_a_changed_experiment_begins_anew(served: Paper) -> None:
    paper = shared(served, Users(ALIKE, each_look=0))
    before = run_of(paper)
    paper.wish = asked(experiment_file(weight=20), commit="c3")
    until(paper, is_decided)
    until(paper, is_shared)
    assert run_of(paper).id != before.id
    assert {weight for weight, _ in weights(paper)} == {20}


def test_another_version_in_git_ends_it_and_gets_all_users(served: Paper) -> None:
    paper = shared(served, Users(ALIKE, each_look=0))
    paper.wish = asked(experiment_file(), version=3, commit="c3")
    paper.run()
    assert paper.serves() == {"h1": 3, "h2": 3}
    decision = run_of(paper).decision
    assert decision is not None
    assert "asks for version 3, and old is version 1" in decision.reason


def test_a_file_that_is_wrong_for_a_while_changes_nothing(served: Paper) -> None:
    paper = shared(served, Users(ALIKE, each_look=0))
    paper.done.clear()
    paper.wish = asked(experiment_file(name="Bigger!"), commit="c3")
    assert [problem.path for problem in paper.wish.problems] == [PATH]
    for _ in range(5):
        paper.tick()
    assert is_shared(paper)
    assert not is_decided(paper)
    paper.wish = asked(experiment_file(), commit="c4")
    for _ in range(5):
        paper.tick()
    assert set(paper.did()) == {"fleet look-at-experiment"}


def test_a_suspended_deployment_keeps_its_shares(served: Paper) -> None:
    paper = shared(served, Users(ALIKE, each_look=0))
    paper.wish = asked(experiment_file(), suspend=True, commit="c3")
    for _ in range(5):
        paper.tick()
    assert is_shared(paper)
    paper.wish = asked(experiment_file(), commit="c4")
    paper.looked = Users(BETTER)
    assert over(paper)[0] is Verdict.TREATMENT


def test_what_cannot_be_measured_for_long_ends_it(served: Paper) -> None:
    paper = shared(served, Users(ALIKE, each_look=0))
    paper.looked = lambda _: outcomes.Looked((("conversion", Trouble("no answer")),))
    verdict, reason = over(paper)
    assert verdict is Verdict.STOPPED
    assert reason == "could not be measured 20 times in a row: conversion: no answer"


def test_nothing_is_looked_at_where_users_are_not_shared(served: Paper) -> None:
    users = Users(ALIKE, each_look=0)
    paper = shared(served, users)
    for host in paper.hosts.values():
        host.is_up = False
    until(paper, lambda paper: paper.now % 1 == 0)
    before = users.looks
    for _ in range(5):
        paper.tick()
    assert users.looks == before


def test_a_winner_is_told_to_git_once_however_often_that_fails(served: Paper) -> None:
    served.errors["propose-winner"] = "the forge is down"
    paper = shared(served, Users(BETTER), promote="pullRequest")
    until(paper, is_over)
    for _ in range(3):
        paper.tick()
    assert run_of(paper).told.trouble == "the forge is down"
    known = run_of(paper).told
    paper.now = known.at + 0.5
    (wait,) = [one for one in paper.plan().waits if one.reason.code == Why.BACKING_OFF]
    assert "Git cannot be told: the forge is down" in wait.reason.text
    paper.errors.clear()
    until(paper, lambda paper: run_of(paper).told.where == "https://forge/8")
    paper.done.clear()
    paper.run()
    assert paper.did() == []


@pytest.mark.parametrize("users", [Users({"conversion": (0.2, 0.1)}), Users(ALIKE)], ids=str)
def test_git_is_told_of_nobody_but_a_treatment_that_won(served: Paper, users: Users) -> None:
    over(shared(served, users, promote="commit"))
    assert "propose-winner" not in {action.verb for action in served.done}


def test_a_deployment_has_one_experiment_at_a_time(served: Paper) -> None:
    text = deployment_file("digits", 1, BOTH)
    files = {f"models.d/experiments/{name}.yaml": experiment_file(name=name) for name in ("a", "b")}
    served.wish = wish({"digits": text}, hosts=BOTH, commit="c2", policies=files)
    assert [problem.path for problem in served.wish.problems] == ["models.d/experiments/b.yaml"]
    assert served.wish.experiments[KEY].metadata.name == "a"
    assert served.wish.may_prune


def test_others_are_not_planned_anew_while_an_experiment_is_under_way(served: Paper) -> None:
    def both(commit: str, files: dict[str, str]) -> desired.DesiredState:
        texts = {name: deployment_file(name, 1, BOTH) for name in ("digits", "other")}
        return wish(texts, hosts=BOTH, commit=commit, policies=files)

    served.looked = Users(ALIKE, each_look=0)
    served.wish = both("c2", {})
    served.run()
    served.wish = both("c3", {PATH: experiment_file()})
    until(served, lambda paper: paper.hosts["h1"].routes["digits"].share is not None)
    for _ in range(3):
        served.tick()
        assert served.planner.renewed == 1
