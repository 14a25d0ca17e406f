"""A pin, with everything real around it but the hosts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import asking, config
from registry import errors
from registry.core.entries import Kind
from tests.reconciler.test_rollback import KEY, say, told, versions
from tests.reconciler.town import POLICY, Town, town
from tests.registry.publishing import Publisher

HOSTS = "[edge-1, edge-2]"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    """Version 1 serves on both hosts; 2 and 3 are in the registry. A pin may hold for two hours."""
    alice = Publisher()
    with town(tmp_path, alice, "pin_hours = 2\n") as made:
        for version in (1, 2, 3):
            made.publish(version, alice)
        made.deploy(1, hosts=HOSTS)
        made.settle()
        yield made


def test_a_pinned_version_serves_against_git_and_the_log_says_who_and_until_when(
    here: Town,
) -> None:
    words = ("pin", KEY, "--version", "2", "--reason", "the audit", "--for", "90m")
    done = say(here, *words)
    assert done.exit_code == 0, done.output
    assert "pinned at version 2 until" in done.output
    here.settle()
    here.deploy(3, hosts=HOSTS)
    here.settle()
    assert versions(here) == [2, 2]
    assert [host.outages for host in here.hosts.values()] == [[], []]
    shown = here.status()
    assert "Git asks for version 3" in str(shown["sync"])
    assert "'version': 2" in str(shown["pin"])
    (steered,) = told(here, Kind.STEERED)
    assert (steered.detail["asked"], steered.detail["version"]) == ("pin", 2)
    assert str(steered.detail["by"]).startswith("p-")
    assert isinstance(steered.detail["until"], float)
    until = steered.detail["until"]
    here.loop.clock = lambda: until + 1.0
    here.settle()
    assert versions(here) == [3, 3]
    assert here.status()["pin"] is None
    assert [entry.detail["asked"] for entry in told(here, Kind.STEERED)] == ["pin", "unpin"]


def test_a_version_that_policy_refuses_is_not_pinned(here: Town) -> None:
    text = POLICY.replace('verification.publisher == "alice"', "version.version != 2")
    here.origin.commit({"policies/deploy/signed.yaml": text}, "Never version 2")
    here.loop.hint()
    here.settle()
    done = say(here, "pin", KEY, "--version", "2", "--reason", "the audit", "--for", "1h")
    assert isinstance(done.exception, errors.Conflict)
    assert "policy signed: only alice may publish here" in done.exception.detail
    here.settle()
    assert versions(here) == [1, 1]
    assert here.status()["pin"] is None


def test_a_pin_is_bounded_and_names_a_version_that_there_is(here: Town) -> None:
    settings = config.load(here.folder / "plimsoll.toml")

    def ask(version: int, seconds: int, deployment: str = KEY) -> errors.PlimsollError:
        with pytest.raises(errors.PlimsollError) as caught:
            asking.pin(settings, deployment, version, reason="r", seconds=seconds, now=0.0)
        return caught.value

    assert ask(2, 7201).detail == "a pin holds for at most 2 hours"
    assert isinstance(ask(9, 60), errors.NotFound)
    assert "nothing was ever deployed as production/x" in ask(2, 60, "production/x").detail
    found = say(here, "pin", KEY, "--version", "2", "--reason", "r", "--for", "soon")
    assert isinstance(found.exception, errors.InvalidInput)
    here.server.stop()
    assert asking.pin(settings, KEY, 1, reason="r", seconds=60, now=0.0).digest == here.digests[1]
    assert isinstance(ask(2, 60), errors.Unavailable)
