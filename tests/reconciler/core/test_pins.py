"""A deployment held at a version against Git, on a fleet on paper."""

from dataclasses import replace

from reconciler.core import pinning, status
from reconciler.core.reasons import Why
from reconciler.core.rollout import NO_ROLLOUT, Pin
from reconciler.core.strategies.progress import State, Verb, Wish
from registry.core.canonical import Json
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.test_going_back import CANARY, answer, ask, deploy, person
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

HOUR = 3600.0


def pin(paper: Paper, version: int, *, seconds: float = HOUR) -> None:
    asked = Wish(f"pin{paper.now}", Verb.PIN, "the audit", "alice", version, digest_of(version))
    asked = replace(asked, until=paper.now + seconds)
    known = paper.rollouts.get(KEY, NO_ROLLOUT)
    paper.rollouts = {**paper.rollouts, KEY: replace(known, wish=asked)}


def pinned(paper: Paper) -> Pin | None:
    return paper.rollouts[KEY].pin


def document(paper: Paper) -> dict[str, Json]:
    asked = pinning.applied(paper.wish, paper.rollouts, paper.now)
    return status.documents(asked, paper.observed(), paper.rollouts, paper.now)[KEY]


def test_a_pin_holds_against_git_until_its_time_is_over(served: Paper) -> None:
    deploy(served, 2)
    pin(served, 1)
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    ask(served, 3, commit="c3")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    (wait,) = [one for one in served.plan().waits if one.reason.code == Why.PINNED]
    assert wait.until is not None
    served.now = wait.until - 1
    assert served.plan().next_at == wait.until
    assert served.plan().actions == ()
    served.now = wait.until
    served.run()
    assert served.serves() == {"h1": 3, "h2": 3}
    assert pinned(served) is None
    assert answer(served).text.startswith("no longer pinned at version 1 until 1970-01-12T")
    assert answer(served).text.endswith("the audit; its time is over")


def test_everybody_sees_a_pin(served: Paper) -> None:
    deploy(served, 2)
    pin(served, 1)
    served.run()
    said = document(served)
    until = "1970-01-12T14:49Z"
    text = f"pinned at version 1 until {until}: the audit; Git asks for version 2"
    assert said["sync"] == {"status": "OutOfSync", "reason": text}
    shown = said["pin"]
    assert isinstance(shown, dict)
    assert (shown["version"], shown["by"], shown["reason"]) == (1, "alice", "the audit")
    assert said["health"] == {"status": "Healthy", "reason": ""}
    assert (
        f"h: wait {KEY} (pinned: {text}; plimsoll unpin {KEY})"
        in served.plan().render().replace("fleet:", "h:")
    )


def test_a_pin_ends_when_git_asks_for_the_version_and_changes_nothing(served: Paper) -> None:
    deploy(served, 2)
    pin(served, 1)
    served.run()
    served.done.clear()
    ask(served, 1, commit="c3")
    served.run()
    assert pinned(served) is None
    assert answer(served).text.endswith("Git asks for version 1 by now")
    assert served.serves() == {"h1": 1, "h2": 1}
    assert served.did() == ["fleet grant"]


def test_a_person_can_end_it_sooner(served: Paper) -> None:
    deploy(served, 2)
    pin(served, 1)
    served.run()
    person(served, Verb.UNPIN, "it is over")
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}
    assert answer(served).text == "no longer pinned at version 1: it is over"
    person(served, Verb.UNPIN)
    served.run()
    assert answer(served).text == "changes nothing: it is not pinned"


def test_a_pin_moves_all_hosts_at_once_whatever_the_strategy(served: Paper) -> None:
    ask(served, 2, commit="c2", strategy=CANARY, fleet="maxParallel: 1")
    for _ in range(12):
        served.tick()
    pin(served, 3)
    served.run()
    assert served.serves() == {"h1": 3, "h2": 3}
    assert all(host.routes["digits"].share is None for host in served.hosts.values())
    person(served, Verb.UNPIN)
    for _ in range(20):
        served.tick()
    progress = served.rollouts[KEY].progress
    assert progress is not None
    assert progress.state is State.PAUSED
    assert served.serves() == {"h1": 3, "h2": 3}


def test_a_version_that_is_refused_or_fails_is_never_pinned_in_place(served: Paper) -> None:
    for version in (4, 7):  # fails acceptance; is refused in preflight
        pin(served, version)
        for _ in range(40):
            served.tick()
        assert served.serves() == {"h1": 1, "h2": 1}
    assert "branch" not in {entry.reverted for entry in served.rollouts[KEY].quarantined}


def test_what_cannot_be_pinned_is_said(served: Paper) -> None:
    deploy(served, 2)
    pin(served, 2)
    served.run()
    assert answer(served).text == "changes nothing: version 2 is what Git asks for"
    pin(served, 1, seconds=-1)
    served.run()
    assert answer(served).text == "changes nothing: its time is over before it began"
    person(served, Verb.ROLLBACK)
    served.run()
    ask(served, 3, commit="c3")
    served.run()
    pin(served, 2)
    served.run()
    said = "changes nothing: version 2 is quarantined: rolled back by hand: support is flooded"
    assert answer(served).text == said
    pin(served, 1)
    served.run()
    person(served, Verb.ROLLBACK)
    served.run()
    assert answer(served).refused
    assert answer(served).text.endswith("pin another version, or unpin it")
    assert served.serves() == {"h1": 1, "h2": 1}


def test_a_newer_pin_takes_the_place_of_the_older_one(served: Paper) -> None:
    deploy(served, 2, 3)
    pin(served, 1)
    served.run()
    pin(served, 2)
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}
    found = pinned(served)
    assert found is not None
    assert found.version == 2


def test_a_quarantine_of_what_git_asks_for_outlives_a_pin(served: Paper) -> None:
    deploy(served, 2, 3)
    person(served, Verb.ROLLBACK)
    served.run()
    pin(served, 1, seconds=600.0)
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    served.now += 600.0
    served.run()
    assert pinned(served) is None
    assert served.serves() == {"h1": 1, "h2": 1}
    text = deployment_file("digits", 3, BOTH)
    served.wish = wish({"digits": text}, commit="c9")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}


def test_a_pin_that_is_killed_anywhere_is_taken_up_by_the_next_one(served: Paper) -> None:
    deploy(served, 2)
    for survives in range(8):
        pin(served, 1, seconds=900.0)
        served.dies_in = survives
        served.tick()
        served.dies_in = None
        served.run()
        assert served.serves() == {"h1": 1, "h2": 1}, survives
        served.now += 900.0
        served.dies_in = survives
        served.tick()
        served.dies_in = None
        served.run()
        assert served.serves() == {"h1": 2, "h2": 2}, survives
        assert pinned(served) is None
