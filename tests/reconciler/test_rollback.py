"""Going back by hand, with everything real around it but the hosts."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner, Result

from reconciler import asking, state, steering
from reconciler.cli import app
from reconciler.core import rollout
from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import HostRollout, Rollout
from reconciler.core.strategies.progress import Verb
from registry import errors
from registry.core.entries import Entry, Kind
from tests.reconciler.town import DEPLOYMENT, POLICY, Town, reconciler, town
from tests.registry.publishing import Publisher

KEY = "production/digits"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    """Version 1 served on both hosts, and then version 2."""
    alice = Publisher()
    with town(tmp_path, alice) as made:
        for version in (1, 2):
            made.publish(version, alice)
            made.deploy(version, hosts="[edge-1, edge-2]")
            made.settle()
        assert versions(made) == [2, 2]
        yield made


def versions(here: Town) -> list[int]:
    found = [here.serving(host) for host in here.hosts]
    return [0 if one is None else one.version for one in found]


@contextmanager
def running(here: Town) -> Iterator[None]:
    """The loop goes on by itself meanwhile, and whoever asks has time to wait for it."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            here.loop.tick()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with patch.object(steering, "_PATIENCE_S", 120.0):
            yield
    finally:
        stop.set()
        thread.join()


def say(here: Town, *words: str) -> Result:
    command = [*words, "--config", str(here.folder / "plimsoll.toml")]
    with running(here):
        return CliRunner().invoke(app, command)


def told(here: Town, kind: Kind) -> list[Entry]:
    return [entry for entry in here.log() if entry.kind == kind]


def test_a_person_sends_both_hosts_back_and_the_log_says_who_and_why(here: Town) -> None:
    done = say(here, "rollback", KEY, "--reason", "support is flooded")
    assert done.exit_code == 0, done.output
    said = "production/digits: from version 2 back to version 1: support is flooded\n"
    assert said in done.output
    here.settle()
    assert versions(here) == [1, 1]
    assert [host.outages for host in here.hosts.values()] == [[], []]
    (steered,) = told(here, Kind.STEERED)
    assert (steered.version, steered.deployment) == (2, KEY)
    assert steered.detail["asked"] == "rollback"
    assert steered.detail["reason"] == "support is flooded"
    assert str(steered.detail["by"]).startswith("p-")
    (quarantined,) = told(here, Kind.QUARANTINED)
    assert quarantined.digest == here.digests[2]
    back = told(here, Kind.ROLLED_BACK)
    assert {(entry.host, entry.version) for entry in back} == {("edge-1", 1), ("edge-2", 1)}
    bad = quarantined.commit
    branch = f"plimsoll/revert/production-digits-{bad[:12]}"
    assert "version: 1" in here.origin.branch(branch, DEPLOYMENT)
    assert "support is flooded" in here.origin.message(branch)


def test_an_unrelated_commit_brings_nothing_back_and_a_retry_does(here: Town) -> None:
    say(here, "rollback", KEY, "--reason", "support is flooded")
    here.origin.commit({"README.md": "hello\n"}, "Say hello")
    here.loop.hint()
    here.settle()
    assert versions(here) == [1, 1]
    done = say(here, "retry", KEY, "--reason", "it was the network")
    assert done.exit_code == 0, done.output
    here.settle()
    assert versions(here) == [2, 2]


def test_a_version_that_policy_forbids_by_now_is_not_gone_back_to(here: Town) -> None:
    text = POLICY.replace('verification.publisher == "alice"', "version.version != 1")
    here.origin.commit({"policies/deploy/signed.yaml": text}, "Never again version 1")
    here.loop.hint()
    here.settle()
    done = say(here, "rollback", KEY, "--reason", "support is flooded")
    assert done.exit_code != 0
    assert isinstance(done.exception, errors.Conflict)
    assert "changes nothing: policy signed: only alice may publish here" in done.exception.detail
    here.settle()
    assert versions(here) == [2, 2]
    (steered,) = told(here, Kind.STEERED)
    assert steered.detail["granted"] is False
    assert here.loop.memory.rollouts()[KEY].quarantined == ()


def test_a_wish_that_nobody_saw_is_granted_by_the_next_one_also_without_a_registry(
    here: Town,
) -> None:
    asking.leave(here.folder / "reconciler", KEY, Verb.ROLLBACK, "support is flooded")
    here.loop.memory.look({}, here.loop.clock())
    here.loop.lanes.close()
    here.loop.memory._folder.close()
    here.server.stop()
    with reconciler(here.folder, here.hosts) as second:
        here.loop = second
        here.settle()
        assert versions(here) == [1, 1]


def _known(folder: Path, rollouts: rollout.Rollouts) -> None:
    with closing(state.StateFolder(folder)) as kept:
        kept.save_rollouts(rollouts)


def _spec(version: int) -> InstanceSpec:
    return InstanceSpec(
        "edge-1", KEY, "digits", version, f"sha256:{version:064x}", "onnx", "runtime:1", 1, 1.0, "c"
    )


def test_whoever_asks_for_the_impossible_hears_at_once_what_to_do(tmp_path: Path) -> None:
    good = HostRollout(last_good=_spec(3), earlier=(_spec(2),))
    _known(tmp_path, {KEY: Rollout({"edge-1": good}), "production/new": Rollout({})})

    def ask(deployment: str, reason: str, version: int | None) -> errors.PlimsollError:
        with pytest.raises(errors.PlimsollError) as caught:
            asking.leave(tmp_path, deployment, Verb.ROLLBACK, reason, version=version)
        assert caught.value.fix
        return caught.value

    assert "a reason is needed" in ask(KEY, "  ", None).detail
    assert "nothing was ever deployed as production/x" in ask("production/x", "r", None).detail
    assert (
        "no version of production/new was ever found good"
        in ask("production/new", "r", None).detail
    )
    found = ask(KEY, "r", 1)
    assert found.detail.endswith("was never found good here; known good: 3, 2")
