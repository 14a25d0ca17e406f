"""Two reconcilers, one fleet, one real registry: no host has two masters, and none has none."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from reconciler import client, leases, sharing
from reconciler.core.observed import Health
from reconciler.core.rollout import NOTHING_KNOWN, Rollout
from reconciler.leases import Leases
from reconciler.loop import Loop
from reconciler.remotes import Beside
from registry import errors
from registry.core.entries import Kind
from tests.reconciler.agents import run
from tests.reconciler.simulated import SimulatedEngine
from tests.reconciler.town import Town, reconciler, town
from tests.registry.publishing import Publisher

# None ends or is renewed while a test stands still: what changes hands does so by what it does.
SECONDS = 300


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def here(tmp_path: Path, publisher: Publisher) -> Iterator[Town]:
    """A registry, two hosts, a repository; the reconcilers of the tests come beside its own."""
    with town(tmp_path, publisher) as made:
        for version in (1, 2, 3):
            made.publish(version, publisher)
        yield made


def configured(here: Town, name: str) -> Path:
    """A folder of its own for another reconciler of the same town."""
    folder = here.folder / name
    folder.mkdir()
    (folder / "plimsoll.toml").write_text(
        f"""
[reconciler]
name = "{name}"
lease_seconds = {SECONDS}
repository = {json.dumps(here.origin.url)}
registry = {json.dumps(here.server.addresses[0])}
trust_file = {json.dumps(str(here.folder / "registry/trust.json"))}
token_file = {json.dumps(str(here.folder / "reconciler.token"))}
"""
    )
    return folder


def opened(stack: ExitStack, here: Town, name: str) -> Loop:
    return stack.enter_context(reconciler(configured(here, name), here.hosts))


def of(loop: Loop) -> Leases:
    """The leases of `loop`, behind what it leaves to agents."""
    assert isinstance(loop.leases, Beside)
    assert isinstance(loop.leases.inner, Leases)
    return loop.leases.inner


def masters(loops: dict[str, Loop], host: str) -> list[str]:
    """Those who may act on `host` now."""
    found = []
    for name, loop in loops.items():
        try:
            of(loop).require(host)
        except errors.Conflict:
            continue
        found.append(name)
    return found


def test_two_share_a_fleet_and_each_host_has_one_master(here: Town) -> None:
    here.deploy(1, hosts="[edge-1, edge-2]")
    with ExitStack() as stack:
        loops = {name: opened(stack, here, name) for name in ("blue", "green")}
        run(*loops.values())
        assert here.serving("edge-1")
        assert here.serving("edge-2")
        assert masters(loops, "edge-1") == masters(loops, "edge-2")
        assert len(masters(loops, "edge-1")) == 1
        for host in here.hosts.values():
            assert len(host.writes) == 2, host.writes  # started once, routed once


def test_hosts_that_share_no_deployment_are_divided(here: Town) -> None:
    here.deploy(1)
    with ExitStack() as stack:
        loops = {name: opened(stack, here, name) for name in ("blue", "green", "red", "amber")}
        run(*loops.values(), rounds=4)
        assert [len(masters(loops, host)) for host in here.hosts] == [1, 1]


def test_when_one_leaves_the_other_goes_on_where_it_was(here: Town) -> None:
    here.deploy(1)
    with ExitStack() as stack:
        first = opened(stack, here, "blue")
        run(first)
        here.hosts["edge-1"].becomes[here.digests[2]] = Health.REFUSED
        bad = here.deploy(2)
        run(first)
        assert Kind.QUARANTINED in {entry.kind for entry in here.log()}
    before = list(here.hosts["edge-1"].writes)
    with ExitStack() as stack:
        second = opened(stack, here, "green")
        run(second)
        assert masters({"green": second}, "edge-1") == ["green"]
    serving = here.serving()
    assert serving is not None
    assert serving.version == 1
    assert here.hosts["edge-1"].writes == before, f"{bad} was tried again"


def test_one_that_cannot_renew_acts_no_more_and_serving_goes_on(here: Town) -> None:
    here.deploy(1)
    with ExitStack() as stack:
        only = opened(stack, here, "blue")
        run(only)
        here.deploy(2)
        here.server.stop()
        later = leases._now() + SECONDS
        with patch.object(leases, "_now", lambda: later):
            before = list(here.hosts["edge-1"].writes)
            run(only, rounds=3)
            assert masters({"blue": only}, "edge-1") == []
            assert here.hosts["edge-1"].writes == before
    serving = here.serving()
    assert serving is not None
    assert serving.version == 1


def test_one_that_wakes_up_late_changes_nothing(here: Town) -> None:
    """Its lease has gone to another while it slept in the middle of a round."""
    here.deploy(1)
    with ExitStack() as stack:
        late = opened(stack, here, "blue")
        run(late)
        engine = late.lanes.engines()["edge-1"]
        serving = here.serving()
        assert serving is not None
        of(late).close()
        another = opened(stack, here, "green")
        run(another)
        assert masters({"green": another}, "edge-1") == ["green"]
        for change in (
            lambda: engine.restart(serving.name),
            lambda: engine.unroute("digits"),
            lambda: engine.remove(serving.name),
        ):
            with pytest.raises(errors.Conflict, match="has no lease on edge-1 any more"):
                change()
        assert engine.observe().instances


def test_the_registry_refuses_what_a_former_master_announces(here: Town) -> None:
    with ExitStack() as stack:
        late = opened(stack, here, "blue")
        here.deploy(1)
        run(late)
        holder = late.journal._holder
        here.registry.post("/v1/host-leases/release", json={"holder": holder})
        wanted = {"holder": "green-1", "hosts": ["edge-1"], "seconds": 60}
        assert here.registry.post("/v1/host-leases", json=wanted).json()["held"] == {"edge-1": 2}
        fields = {"host": "edge-1", "deployment": "production/digits", "reason": "late"}
        with pytest.raises(errors.Conflict, match="has no lease on edge-1"):
            late.journal.require(Kind.STARTING, dict(fields))


def test_a_fenced_engine_lets_pass_only_what_is_known_to_change_nothing() -> None:
    def refuse() -> None:
        raise errors.Conflict("not yours")

    fenced = leases.Fenced(SimulatedEngine("edge-1"), refuse)
    assert fenced.observe().host == "edge-1"  # type: ignore[operator]
    for name in ("start", "restart", "renew", "remove", "route", "unroute", "settle"):
        with pytest.raises(errors.Conflict):
            getattr(fenced, name)()


def test_what_another_looks_after_by_now_keeps_nothing_of_ours_from_being_shared(
    here: Town,
) -> None:
    """A call was under way when the lease ran out, and how it ended is remembered afterwards."""
    token = here.folder / "reconciler.token"
    known = {
        f"production/{name}": Rollout({f"edge-{at}": NOTHING_KNOWN})
        for at, name in enumerate(("lost", "kept"), start=1)
    }
    changed = {key: replace(one, granted="late") for key, one in known.items()}
    with closing(client.Registry(here.server.addresses[0], token)) as registry:
        shared, held = sharing.Shared(registry, "blue-1"), {"edge-1", "edge-2"}
        shared.ours = lambda: held
        registry.lease_hosts("blue-1", sorted(held), seconds=SECONDS)
        shared.send(known, known)
        registry.lease_hosts("blue-1", ["edge-2"], seconds=SECONDS)
        registry.lease_hosts("green-1", ["edge-1"], seconds=SECONDS)
        held.remove("edge-1")
        shared.send(changed, changed)
        told = json.dumps(registry.rollouts()["production/kept"])
        assert "late" in told
        assert "late" not in json.dumps(registry.rollouts()["production/lost"])
        registry.release_hosts("green-1")
        registry.lease_hosts("blue-1", ["edge-1", "edge-2"], seconds=SECONDS)
        held.add("edge-1")
        shared.send(changed, ())
        assert "late" in json.dumps(registry.rollouts()["production/lost"])


class Slow(client.Registry):
    """Hears the first wish for leases only after the second, if there is one meanwhile."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []
        self.first, self.second = threading.Event(), threading.Event()

    def lease_hosts(self, holder: str, hosts: Sequence[str], *, seconds: int) -> client.Leased:
        assert seconds == SECONDS
        if self.first.is_set():
            self.second.set()
        else:
            self.first.set()
            self.second.wait(1)
        self.heard.append(list(hosts))
        return client.Leased(dict.fromkeys(hosts, 1), (holder,))

    def release_hosts(self, holder: str) -> None:
        assert holder == "blue-1"


def test_an_older_wish_for_leases_never_comes_after_a_newer_one(here: Town) -> None:
    state = here.loop.source.state(patience_s=60)
    assert state is not None
    registry = Slow()
    only = Leases(
        registry,
        holder="blue-1",
        seconds=SECONDS,
        remembered=dict,
        adopt=lambda gained: None,
    )
    with closing(only):
        renewing = threading.Thread(target=only._renew)
        renewing.start()
        assert registry.first.wait(60)
        only.share(state, ())
        renewing.join(60)
        assert registry.heard[-1] == ["edge-1", "edge-2"]
        assert set(only.held()) == {"edge-1", "edge-2"}
