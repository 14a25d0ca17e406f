"""When a wait is over: reached, not yet, or never."""

from typing import Any

import pytest

from registry import errors
from registry.core import awaiting
from registry.core.awaiting import Goal, Hopeless, Reached, Waiting

COMMIT = "a" * 40
BOTH = ("synced", "healthy")


def status(
    version: int = 1, sync: str = "Synced", health: str = "Healthy", **more: Any
) -> dict[str, Any]:
    return {
        "commit": COMMIT,
        "desired": {"model": "digits", "version": version, "digest": f"sha256:{version}"},
        "sync": {"status": sync, "reason": ""},
        "health": {"status": health, "reason": "version 1 is starting"},
        "trust": {"status": "Verified", "reason": ""},
        "quarantined": [],
        "git": {"refused": None},
    } | more


def test_all_conditions_must_hold_at_once() -> None:
    assert awaiting.standing(status(), Goal(BOTH)) == Reached()
    found = awaiting.standing(status(health="Progressing"), Goal(BOTH))
    assert found == Waiting("health is Progressing: version 1 is starting")


def test_what_was_there_before_the_push_is_not_what_was_waited_for() -> None:
    goal = Goal(BOTH, commit="bbbbbbb")
    assert isinstance(awaiting.standing(status(), goal), Waiting)
    assert awaiting.standing(status(), goal, was_at_commit=True) == Reached()
    assert isinstance(awaiting.standing(status(), Goal(BOTH, version=2)), Waiting)


def test_nobody_has_told_yet() -> None:
    assert isinstance(awaiting.standing(None, Goal(BOTH)), Waiting)


def test_a_quarantined_version_never_comes() -> None:
    entry = {"version": 2, "digest": "sha256:2", "reason": "accuracy 0.81"}
    document = status(2, sync="OutOfSync", health="Degraded", quarantined=[entry])
    found = awaiting.standing(document, Goal(BOTH))
    assert isinstance(found, Hopeless)
    assert found.text == "version 2 is quarantined: accuracy 0.81"
    # Of the same number, but other bytes: this one was not found bad.
    other = status(2, quarantined=[entry | {"digest": "sha256:other"}], sync="OutOfSync")
    assert isinstance(awaiting.standing(other, Goal(BOTH)), Waiting)


def test_a_refused_version_and_a_refused_commit_never_come() -> None:
    trust = {"status": "Refused", "reason": "not signed"}
    assert isinstance(awaiting.standing(status(trust=trust), Goal(BOTH)), Hopeless)
    refused = {"commit": "b" * 40, "reason": "unsigned commit", "fix": "sign it"}
    found = awaiting.standing(
        status(trust=trust, git={"refused": refused}), Goal(BOTH, commit="bbbbbbb")
    )
    assert found == Hopeless("commit bbbbbbb is refused: unsigned commit", "sign it")


def test_an_unknown_condition_lists_those_there_are() -> None:
    with pytest.raises(errors.InvalidInput, match="'shiny' cannot be waited for"):
        awaiting.conditions("synced,shiny")
