"""What others change is put right at once, then ever later, and then a person is asked to look."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.core.observed import Health, Instance, Phase
from reconciler.core.planned import Plan
from reconciler.core.reasons import Why
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.wishes import deployment_file, wish


@pytest.fixture
def one() -> Paper:
    """One host that serves version 1 and needs nothing."""
    paper = Paper(wish({"digits": deployment_file("digits", 1, ["h1"])}), {"h1": PaperHost()})
    paper.run()
    paper.done.clear()
    return paper


def _serving(paper: Paper) -> Instance:
    host = paper.hosts["h1"]
    return host.instances[host.routes["digits"].instance]


def _change(paper: Paper, **how: object) -> None:
    found = _serving(paper)
    paper.hosts["h1"].instances[found.name] = replace(found, **how)  # type: ignore[arg-type]


def paused(paper: Paper) -> None:
    _change(paper, drift="is paused", health=Health.UNHEALTHY)


def removed(paper: Paper) -> None:
    host = paper.hosts["h1"]
    host.instances.pop(host.routes["digits"].instance, None)


def unrouted(paper: Paper) -> None:
    paper.hosts["h1"].routes.clear()


def front_stopped(paper: Paper) -> None:
    paper.hosts["h1"].ingress = False


def front_changed(paper: Paper) -> None:
    paper.hosts["h1"].ingress_drift = "the routes of the ingress are not as they were written"


@pytest.mark.parametrize(
    ("change", "code", "verb"),
    [
        (paused, Why.DRIFTED, "restart"),
        (removed, Why.VANISHED, "start"),
        (unrouted, Why.NOT_ROUTED, "route"),
        (front_stopped, Why.INGRESS_DOWN, "route"),
        (front_changed, Why.DRIFTED, "route"),
    ],
)
def test_who_changes_it_again_and_again_is_answered_five_times_and_then_told(
    one: Paper, change: Callable[[Paper], None], code: Why, verb: str
) -> None:
    gaps, last = list[float](), one.now
    for _ in range(200):
        change(one)
        made = one.tick(1.0)
        if made.actions:
            assert [(step.reason.code, step.verb) for step in made.actions] == [(code, verb)]
            gaps.append(one.now - last)
            last = one.now
            one.settle()
    assert len(gaps) == 5
    assert gaps[1:] == sorted(gaps[1:])
    told = [wait for wait in one.plan().waits if wait.reason.code is Why.FLAPPING]
    assert "find what else on h1 does it" in told[0].reason.text
    assert one.now < (told[0].until or 0) <= one.now + 300


def test_once_nobody_changes_it_any_more_it_is_put_right_after_the_guards_time(one: Paper) -> None:
    for _ in range(100):
        removed(one)
        one.tick(1.0)
        one.settle()
    assert Why.FLAPPING in _codes(one.plan())
    one.now += 300
    one.run()
    assert _serving(one).phase is Phase.RUNNING
    assert one.plan().waits == ()


def _codes(made: Plan) -> set[Why]:
    return {wait.reason.code for wait in made.waits}


def test_a_drift_of_limits_takes_no_traffic_and_no_quarantine(one: Paper) -> None:
    _change(one, drift="has other limits than were set: Memory 1 instead of 2")
    assert one.serves() == {"h1": 1}
    one.run()
    assert one.serves() == {"h1": 1}
    assert one.quarantined == set()
