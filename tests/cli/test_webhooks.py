"""`plimsoll webhook`, against a real registry and a real receiver."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from registry.api.server import Server
from registry.settings import Settings
from tests.cli.conftest import Run
from tests.registry import receiving
from tests.registry.receiving import LOCAL, Receiver, report, status


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, sending=replace(LOCAL, attempts=1))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving.receiving() as found:
        yield found


def test_a_webhook_is_made_shown_changed_and_removed(
    plimsoll: Run, receiver: Receiver, tmp_path: Path
) -> None:
    made = plimsoll("webhook", "create", "ci", receiver.url, "--kind", "deployed")
    assert made.code == 0
    assert made.out.startswith("whsec_")
    assert "not shown again" in made.err
    table = plimsoll("webhook", "list").out
    assert ["ci", "active", receiver.url, "deployed"] == table.splitlines()[1].split()[:4]

    secret = tmp_path / "secret"
    secret.write_text("whsec_" + "QUJD" * 10)
    changed = plimsoll("webhook", "change", "ci", "--pause", "--secret-file", secret)
    assert (changed.code, changed.err) == (0, "webhook ci is paused: paused by admin:first-start\n")
    shown = plimsoll("webhook", "show", "ci", "-o", "json").document
    assert (shown["active"], shown["secret"]) == (False, None)
    assert "pausedBecause" in plimsoll("webhook", "show", "ci").out

    assert plimsoll("webhook", "remove", "ci").code == 0
    assert plimsoll("webhook", "list", "-o", "json").document == []
    assert plimsoll("webhook", "remove", "ci").code == 1


def test_a_trial_says_whether_the_receiver_takes_events(plimsoll: Run, receiver: Receiver) -> None:
    plimsoll("webhook", "create", "ci", receiver.url, "--kind", "deployed")
    assert plimsoll("webhook", "test", "ci").code == 0
    receiver.then = status(500)
    failed = plimsoll("webhook", "test", "ci")
    assert failed.code == 1
    assert "the receiver answered 500" in failed.err


def test_dead_letters_are_shown_and_sent_again(
    plimsoll: Run, receiver: Receiver, server: Server
) -> None:
    plimsoll("webhook", "create", "ci", receiver.url, "--kind", "deployed")
    receiver.answers += [status(500)] * 2
    indexes = [report(server.app.state.registry) for _ in range(3)]
    assert [int(receiver.next().document["id"]) for _ in range(3)] == indexes
    while plimsoll("webhook", "show", "ci", "-o", "json").document["nextIndex"] <= indexes[-1]:
        pass
    letters = plimsoll("webhook", "dead-letters", "ci", "-o", "json").document
    assert [one["index"] for one in letters] == indexes[:2]
    assert "the receiver answered 500" in plimsoll("webhook", "dead-letters", "ci").out

    receiver.answers += [status(500)]
    assert plimsoll("webhook", "redeliver", "ci").code == 1
    assert plimsoll("webhook", "redeliver", "ci", indexes[1]).err == "1 delivered\n"
    assert plimsoll("webhook", "redeliver", "ci").err == "1 delivered\n"
    assert plimsoll("webhook", "dead-letters", "ci", "-o", "json").document == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "ci", "ftp://example.org"],
        ["create", "Not A Slug", "https://example.org"],
        ["create", "ci", "https://example.org", "--secret-file", "/nowhere"],
        ["change", "nobody", "--pause"],
        ["change", "ci"],
        ["show", "nobody"],
    ],
)
def test_what_cannot_be_is_refused_with_a_fix(plimsoll: Run, arguments: list[str]) -> None:
    done = plimsoll("webhook", *arguments)
    assert (done.code, done.out) == (1, "")
    assert "fix:" in done.err
