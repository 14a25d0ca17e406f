"""What the registry is told of how deployments do: what changed, first and in bounded time."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from prometheus_client import CollectorRegistry, generate_latest

from reconciler import agent, client, metrics, owning, source, state, statuses
from reconciler.core.observed import Health, Phase
from registry import errors
from tests.reconciler.core.test_planner import HOSTS, NOW, Town
from tests.reconciler.core.wishes import deployment_file


class Told:
    """A registry that notes what it is told; `is_down` while it does not answer."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.withdrawn: list[str] = []
        self.is_down = False

    def report(self, deployment: str, _status: object) -> None:
        if self.is_down:
            raise errors.Unavailable("it is down")
        self.keys.append(deployment)

    def withdraw(self, deployment: str) -> None:
        self.withdrawn.append(deployment)

    def taken(self) -> list[str]:
        found, self.keys = self.keys, []
        return found


class Telling:
    """A converged town, and who tells of it; each look at the watch takes `step` seconds."""

    def __init__(self, count: int, step: float = 0.0) -> None:
        self.town, self.told, self.step, self.now = Town(count), Told(), step, 0.0
        registry = cast("client.Registry", self.told)
        self.numbers = CollectorRegistry()
        shown = metrics.Standings(self.numbers)
        self.statuses = statuses.Statuses(registry, show=shown.show, watch=self._watch)

    def tell(self, at: float = NOW) -> list[str]:
        self.town.plan()
        self.statuses.report(self.town.planner, self.town.wish, at)
        return self.told.taken()

    def die(self) -> None:
        state = self.town.host("h2")
        dead = replace(state.instances[0], phase=Phase.EXITED, health=Health.NONE, exit_code=1)
        self.town.see("h2", replace(state, instances=(dead, *state.instances[1:])))

    def _watch(self) -> float:
        self.now += self.step
        return self.now


def test_one_change_among_many_is_told_alone() -> None:
    for count in (3, 30):
        telling = Telling(count)
        assert len(telling.tell()) == count
        assert telling.tell() == []
        telling.die()
        assert telling.tell() == ["production/m0"]


def test_all_are_told_at_a_new_commit_in_several_rounds_and_what_changed_goes_first() -> None:
    telling = Telling(6)
    telling.tell()
    telling.step = 0.3
    telling.town.files["m5"] = deployment_file("m5", 2, HOSTS)
    telling.town.wish = telling.town.read("c2")
    rounds = [telling.tell()]
    while telling.statuses.is_behind:
        rounds.append(telling.tell())
    assert rounds[0] == ["production/m5", "production/m0"]
    assert max(map(len, rounds)) == 2
    told = sorted(key for one in rounds for key in one)
    assert set(told) == set(telling.town.wish.deployments)


def test_what_the_registry_did_not_take_is_told_again() -> None:
    telling = Telling(3)
    telling.told.is_down = True
    assert telling.tell() == []
    assert not telling.statuses.is_behind
    telling.told.is_down = False
    assert len(telling.tell()) == 3


def test_a_clock_that_is_set_back_keeps_no_status_from_being_repeated() -> None:
    telling = Telling(3)
    telling.tell(NOW + 86_400)
    assert len(telling.tell(NOW)) == 3
    assert telling.tell(NOW + 59) == []
    assert len(telling.tell(NOW + 60)) == 3


class Heard(client.Registry):
    """It gives a host to its agent, and counts what it is told."""

    def __init__(self) -> None:
        self.count = 0
        self.is_anothers = False

    def tell(
        self, host: str, document: Mapping[str, object], *, holder: str, epoch: int | None
    ) -> client.Claim:
        assert (host, holder, epoch) in {("h1", "h1-1", None), ("h1", "h1-1", 1)}
        assert document["commit"] == "c1"
        self.count += 1
        if self.is_anothers:
            raise errors.Conflict("it was given to another")
        return client.Claim(
            1, datetime.fromtimestamp(NOW - 3600, UTC), datetime.fromtimestamp(NOW, UTC)
        )


def test_an_agent_whose_clock_is_set_back_is_not_taken_for_silent(tmp_path: Path) -> None:
    town, registry = Town(1), Heard()
    town.plan()
    git = cast("source.Source", SimpleNamespace(error="", fetched_at=NOW))
    with closing(state.StateFolder(tmp_path)) as folder:
        claim = owning.Claim(registry, folder, host="h1", holder="h1-1")
        telling = agent.Telling(
            claim, folder, metrics.Metrics(), git=git, is_wanted=lambda: True, patience_s=0
        )
        told = []
        for now in (NOW + 86_400, NOW + 86_401, NOW, NOW + 1, NOW + 20):
            telling.report(town.planner, town.wish, now)
            told.append(registry.count)
    assert [count - told[1] for count in told[1:]] == [0, 1, 1, 2]


def test_an_agent_that_lost_its_host_and_had_its_clock_set_back_claims_it_at_the_next_look_at_git(
    tmp_path: Path,
) -> None:
    town, registry = Town(1), Heard()
    town.plan()
    seen = SimpleNamespace(error="", fetched_at=NOW + 86_400)
    with closing(state.StateFolder(tmp_path)) as folder:
        claim = owning.Claim(registry, folder, host="h1", holder="h1-1")
        telling = agent.Telling(
            claim,
            folder,
            metrics.Metrics(),
            git=cast("source.Source", seen),
            is_wanted=lambda: True,
            patience_s=0,
        )
        held = []
        for seen.fetched_at, registry.is_anothers in (
            (NOW + 86_400, False),
            (NOW + 86_400, True),
            (NOW + 86_400, False),  # what Git said before it was lost counts no more
            (NOW, False),
        ):
            telling.report(town.planner, town.wish, seen.fetched_at + 60 * len(held))
            held.append(claim.known.epoch)
    assert held == [1, None, None, 1]


def test_how_each_deployment_stands_is_one_series_until_it_is_gone() -> None:
    telling = Telling(2)
    telling.tell()
    about = 'plimsoll_deployment_info{deployment="m0",environment="production",'
    page = generate_latest(telling.numbers).decode()
    assert about + 'health="Healthy",sync="Synced",trust="Verified"} 1.0' in page
    assert page.count("plimsoll_deployment_info{") == 2
    telling.die()
    telling.tell()
    page = generate_latest(telling.numbers).decode()
    assert about + 'health="Healthy"' not in page
    assert page.count("plimsoll_deployment_info{") == 2
    for key in ("m0", "m1"):
        telling.statuses._show(f"production/{key}", {})
    assert "plimsoll_deployment_info{" not in generate_latest(telling.numbers).decode()


def test_statuses_are_repeated_after_a_minute_and_withdrawn_with_their_deployment() -> None:
    telling = Telling(3)
    telling.tell()
    assert telling.tell(NOW + 59) == []
    assert len(telling.tell(NOW + 60)) == 3
    del telling.town.files["m1"]
    telling.town.wish = telling.town.read("c2")
    assert "production/m1" in telling.tell(NOW + 61)
    telling.town.rollouts = {k: v for k, v in telling.town.rollouts.items() if k[-1] != "1"}
    for host in HOSTS:
        state = telling.town.host(host)
        left = [one for one in state.instances if one.model != "m1"]
        routes = [one for one in state.routes if one.model != "m1"]
        telling.town.see(host, replace(state, instances=tuple(left), routes=tuple(routes)))
    telling.tell(NOW + 62)
    assert telling.told.withdrawn == ["production/m1"]
