"""The loop against a real registry, a real repository, and simulated hosts."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconciler.core.observed import Health
from registry import errors
from registry.core.entries import Kind
from tests.reconciler.simulated import Crashed
from tests.reconciler.town import DEPLOYMENT, Town, reconciler, town
from tests.registry.publishing import Publisher

OUTCOMES = frozenset({Kind.STARTED, Kind.DEPLOYED, Kind.REMOVED})


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def here(tmp_path: Path, publisher: Publisher) -> Iterator[Town]:
    with town(tmp_path, publisher) as made:
        for version in (1, 2, 3):
            made.publish(version, publisher)
        yield made


def kinds(here: Town) -> list[Kind]:
    return [entry.kind for entry in here.log() if entry.deployment == "production/digits"]


def test_a_commit_becomes_a_serving_version_and_the_log_says_how(here: Town) -> None:
    commit = here.deploy(1)
    here.settle()
    serving = here.serving()
    assert serving is not None
    assert (serving.version, serving.digest) == (1, here.digests[1])
    assert kinds(here) == [
        Kind.DECIDED, Kind.STARTING, Kind.STARTED, Kind.DEPLOYING, Kind.DEPLOYED,
    ]  # fmt: skip
    assert {entry.commit for entry in here.log() if entry.deployment} == {commit}


def test_a_converged_host_needs_nothing(here: Town) -> None:
    here.deploy(1)
    here.settle()
    before, size = list(here.hosts["edge-1"].writes), len(here.log())
    for _ in range(5):
        here.loop.tick()
    assert here.hosts["edge-1"].writes == before
    assert len(here.log()) == size


def test_an_upgrade_never_stops_serving_and_removes_the_old(here: Town) -> None:
    here.deploy(1)
    here.settle()
    here.deploy(2)
    here.settle()
    host = here.hosts["edge-1"]
    serving = here.serving()
    assert serving is not None
    assert serving.version == 2
    assert host.outages == []
    assert [instance.version for instance in host.instances.values()] == [2]
    assert here.status()["sync"] == {"status": "Synced", "reason": ""}


def test_a_version_that_never_gets_healthy_is_quarantined_and_reverted(here: Town) -> None:
    good = here.deploy(1)
    here.settle()
    here.hosts["edge-1"].becomes[here.digests[2]] = Health.REFUSED
    bad = here.deploy(2)
    here.settle()
    serving = here.serving()
    assert serving is not None
    assert serving.version == 1
    assert Kind.QUARANTINED in kinds(here)
    branch = f"plimsoll/revert/production-digits-{bad[:12]}"
    assert "version: 1" in here.origin.branch(branch, DEPLOYMENT)
    assert good in here.origin.message(branch)
    starts = [write for write in here.hosts["edge-1"].writes if write.startswith("start")]
    here.settle()
    assert starts == [write for write in here.hosts["edge-1"].writes if write.startswith("start")]


def test_a_digest_that_does_not_match_starts_nothing(here: Town) -> None:
    here.digests[1] = "sha256:" + "0" * 64
    here.deploy(1)
    here.settle()
    assert here.hosts["edge-1"].writes == []
    trust = here.status()["trust"]
    assert isinstance(trust, dict)
    assert trust["status"] == "Refused"
    assert "pinned is sha256:0000" in str(trust["reason"])


def test_a_version_that_is_not_in_the_registry_starts_nothing(here: Town) -> None:
    here.digests[9] = "sha256:" + "9" * 64
    here.deploy(9)
    here.settle()
    assert here.hosts["edge-1"].writes == []
    assert "not in the registry" in str(here.status()["trust"])


def test_a_publisher_that_policy_forbids_starts_nothing(here: Town) -> None:
    path = "policies/deploy/signed.yaml"
    text = (here.origin.work / path).read_text().replace('"alice"', '"bob"')
    here.origin.commit({path: text})
    here.deploy(1)
    here.settle()
    assert here.hosts["edge-1"].writes == []
    assert "only alice may publish here" in str(here.status()["trust"])


def test_a_broken_file_changes_nothing_and_says_where(here: Town) -> None:
    here.deploy(1)
    here.settle()
    text = (here.origin.work / DEPLOYMENT).read_text().replace("targets:", "tragets:")
    here.origin.commit({DEPLOYMENT: text})
    here.loop.hint()
    here.settle()
    assert here.serving() is not None
    sync = here.status()["sync"]
    assert isinstance(sync, dict)
    assert sync["status"] == "Unknown"
    assert str(sync["reason"]).startswith(f"{DEPLOYMENT}:")


def test_a_killed_instance_is_back_and_the_log_says_why(here: Town) -> None:
    here.deploy(1)
    here.settle()
    serving = here.serving()
    assert serving is not None
    here.hosts["edge-1"].kill(serving.name)
    here.settle()
    assert here.serving() is not None
    restarted = [entry for entry in here.log() if entry.kind is Kind.RESTARTED]
    assert len(restarted) == 1
    assert "137" in restarted[0].reason


def test_an_unreachable_host_delays_nobody_and_catches_up(here: Town) -> None:
    here.hosts["edge-2"].unreachable = "no route"
    here.deploy(1, hosts="[edge-1, edge-2]")
    here.settle()
    assert here.serving("edge-1") is not None
    assert here.serving("edge-2") is None
    here.hosts["edge-2"].unreachable = ""
    here.settle()
    assert here.serving("edge-2") is not None


def test_with_the_registry_down_nothing_changes_and_what_serves_is_healed(here: Town) -> None:
    here.deploy(1)
    here.settle()
    serving = here.serving()
    assert serving is not None
    here.server.stop()
    here.deploy(2)
    here.hosts["edge-1"].kill(serving.name)
    here.settle()
    now = here.serving()
    assert now is not None
    assert now.version == 1


@pytest.mark.parametrize("step", ["start", "route", "remove"])
def test_a_crash_at_any_step_is_caught_up_by_the_next_reconciler(here: Town, step: str) -> None:
    here.deploy(1)
    here.settle()
    host = here.hosts["edge-1"]
    host.faults[step] = Crashed()
    here.deploy(2)
    with pytest.raises(Crashed):
        here.settle()
    here.loop.lanes.close()
    here.loop.source.close()
    _release(here)
    with reconciler(here.folder, here.hosts) as again:
        here.loop = again
        here.settle()
        serving = here.serving()
        assert serving is not None
        assert serving.version == 2
        assert host.outages == []
        assert len(host.instances) == 1


@pytest.mark.parametrize(
    ("step", "loss"),
    [
        ("start", errors.EngineUnreachable("the answer was lost")),
        ("route", Crashed()),
        ("remove", Crashed()),
    ],
)
def test_what_was_done_is_in_the_log_once_though_nobody_heard_that_it_was(
    here: Town, step: str, loss: Exception
) -> None:
    """Its reconciler was killed right after the engine did it, or never got the answer."""
    here.deploy(1)
    here.settle()
    here.hosts["edge-1"].losses[step] = loss
    here.deploy(2)
    if isinstance(loss, Crashed):
        with pytest.raises(Crashed):
            here.settle()
        here.loop.lanes.close()
        here.loop.source.close()
        _release(here)
    with ExitStack() as stack:
        if isinstance(loss, Crashed):
            here.loop = stack.enter_context(reconciler(here.folder, here.hosts))
        here.settle()
        told = [(entry.kind, entry.version) for entry in here.log() if entry.kind in OUTCOMES]
        assert told == [
            (Kind.STARTED, 1),
            (Kind.DEPLOYED, 1),
            (Kind.STARTED, 2),
            (Kind.DEPLOYED, 2),
            (Kind.REMOVED, 1),
        ]
        assert here.hosts["edge-1"].outages == []
        assert [path.name for path in (here.folder / "reconciler/pledges").iterdir()] == []
        assert len(list((here.folder / "reconciler/permits").iterdir())) == 1


def _release(here: Town) -> None:
    """What the kernel does for a process that was killed."""
    here.loop.memory._folder.close()


def test_a_refusal_is_in_the_log_once_however_often_it_is_checked(here: Town) -> None:
    here.digests[1] = "sha256:" + "0" * 64
    here.deploy(1)
    here.settle()
    here.loop.clock = lambda: time.time() + 3600
    here.settle()
    refused = [entry for entry in here.log() if entry.kind is Kind.REFUSED]
    assert [entry.host for entry in refused] == ["edge-1"]
