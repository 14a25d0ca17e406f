"""Safety and convergence of the planner over random histories of a fleet on paper."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core import actions, reasons
from reconciler.core.observed import Health, Phase
from reconciler.core.strategies.progress import Verb, Wish
from tests.reconciler.core.paper import Broken, Fate, Paper, PaperHost, fate_of
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

HOSTS = ("h1", "h2", "h3")
NAMES = ("digits", "fraud")
_STEPS = "steps: [{setWeight: 10}, {pause: {duration: 20s}}, {setMirrorRoute: {percentage: 50}}]"
STRATEGIES = (
    "rolling: {}",
    f"canary: {{{_STEPS}}}",
    f"abTest: {{sticky: {{header: x-user}}, {_STEPS}}}",
    "shadow: {percentage: 100, duration: 30s}",
    "blueGreen: {autoPromotionEnabled: false, autoPromotionSeconds: 20}",
)


FLEETS = (
    "maxParallel: 1, maxUnavailable: 1",
    "maxParallel: 2, atomic: false, failureAction: continue",
    "atomic: false, failureAction: rollback, maxFailureRatio: 0.4",
    "maxParallel: 1, atomic: false, maxFailureRatio: 0.4",
)


@dataclass(frozen=True)
class Commit:
    """Git asks for `version` of `name` on `hosts`; for none of it where `version` is 0."""

    name: str
    version: int
    hosts: tuple[str, ...]
    suspend: bool = False
    promote: bool = True
    strategy: str = ""
    fleet: str = ""


@dataclass(frozen=True)
class Trouble:
    """Something happens to a host."""

    what: str
    host: str


@dataclass(frozen=True)
class Ticks:
    """Time passes; the reconciler dies after `survives` points, if that is a number."""

    count: int
    survives: int | None = None


Event: TypeAlias = Commit | Trouble | Ticks

commits = st.builds(
    Commit,
    name=st.sampled_from(NAMES),
    version=st.integers(0, 9),
    hosts=st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True).map(tuple),
    suspend=st.sampled_from([False, False, False, True]),
    promote=st.sampled_from([True, True, True, False]),
    strategy=st.sampled_from(["", "", *STRATEGIES]),
    fleet=st.sampled_from(["", "", *FLEETS]),
)
_PINNED_TICKS = 6
_WISHES = (Verb.ROLLBACK, Verb.RETRY, Verb.PIN, Verb.UNPIN)
troubles = st.builds(
    Trouble,
    what=st.sampled_from(["kill", "vanish", "down", "up", "ingress", "amnesia", *_WISHES]),
    host=st.sampled_from(HOSTS),
)
ticks = st.builds(Ticks, count=st.integers(1, 12), survives=st.none() | st.integers(0, 12))
histories = st.lists(st.one_of(commits, ticks, troubles, ticks), min_size=1, max_size=14)


class History:
    """Plays events on a fleet on paper."""

    def __init__(self) -> None:
        self.files: dict[str, Commit] = {}
        self.commits = 0
        self.paper = Paper(wish({}, hosts=HOSTS), {host: PaperHost() for host in HOSTS})

    def play(self, event: Event) -> None:
        match event:
            case Commit():
                self.commit(event)
            case Trouble():
                self.trouble(event)
            case Ticks():
                self.paper.dies_in = event.survives
                for _ in range(event.count):
                    self.paper.tick()
                self.paper.dies_in = None

    def commit(self, event: Commit) -> None:
        self.files[event.name] = event
        texts = {
            name: deployment_file(
                name,
                file.version,
                file.hosts,
                suspend=file.suspend,
                promote=file.promote,
                strategy=file.strategy,
                fleet=file.fleet,
            )
            for name, file in self.files.items()
            if file.version
        }
        self.commits += 1
        self.paper.wish = wish(texts, hosts=HOSTS, commit=f"c{self.commits}", allow_empty=True)
        assert not self.paper.wish.problems

    def trouble(self, event: Trouble) -> None:
        host = self.paper.hosts[event.host]
        match event.what:
            case "kill":
                for name, known in host.instances.items():
                    host.instances[name] = replace(
                        known, phase=Phase.EXITED, health=Health.NONE, exit_code=137
                    )
            case "vanish":
                host.instances.clear()
            case "ingress":
                host.ingress = False
            case "down" | "up":
                host.is_up = event.what == "up"
            case Verb.ROLLBACK | Verb.RETRY | Verb.PIN | Verb.UNPIN:
                now, is_pin = self.paper.now, event.what == Verb.PIN
                version = 1 + int(now / 10) % 9 if is_pin else None
                digest, until = digest_of(version or 0), now + 10.0 * _PINNED_TICKS
                asked = Wish(f"{now}", Verb(event.what), "because", "", version, digest, until)
                self.paper.rollouts = {
                    key: replace(known, wish=asked) for key, known in self.paper.rollouts.items()
                }
            case "amnesia":
                self.paper.rollouts = {}
                self.paper.quarantined.clear()

    def come_to_rest(self) -> None:
        for host in self.paper.hosts.values():
            host.is_up = True
        self.paper.dies_in = None
        self.paper.run(150)
        # With a pin it rests, but only for as long as that holds.
        for _ in range(_PINNED_TICKS):
            self.paper.tick()
        self.paper.run(150)


@settings(max_examples=150, deadline=None)
@given(histories)
@example([Commit("digits", 1, ("h1",)), Ticks(6), Trouble(Verb.PIN, "h1")])
def test_no_history_breaks_a_safety_rule_and_each_comes_to_rest(history: list[Event]) -> None:
    past = History()
    for event in history:
        past.play(event)
    past.come_to_rest()
    before = len(past.paper.done)
    past.paper.tick()
    again = [a for a in past.paper.done[before:] if not isinstance(a, actions.Preflight)]
    assert again == []


@settings(max_examples=150, deadline=None)
@given(histories.filter(lambda events: any(isinstance(event, Commit) for event in events)))
def test_at_rest_good_versions_serve_alone_and_bad_ones_never_do(history: list[Event]) -> None:
    past = History()
    for event in history:
        past.play(event)
    past.come_to_rest()
    for name, file in past.files.items():
        for host in HOSTS:
            _check_rest(past, name, file, host)


def _check_rest(past: History, name: str, file: Commit, host: str) -> None:
    here = past.paper.hosts[host]
    mine = {i.name: i for i in here.instances.values() if i.deployment == f"production/{name}"}
    if file.suspend and file.version:
        return
    if not file.version or host not in file.hosts:
        assert mine == {}
        return
    serving = here.instances.get(here.serving().get(name, ""))
    assert all(route.share is None for route in here.routes.values())
    is_good = fate_of(file.version) is Fate.GOOD
    has_failed = ("production/" + name, past.paper.wish.deployments[f"production/{name}"].revision)
    is_promoted = file.promote or bool(file.strategy)
    facts = past.paper.rollouts[f"production/{name}"].on(host)
    is_lost = facts.gave_up is not None and facts.gave_up.revision == has_failed[1]
    if is_good and is_promoted and not is_lost and has_failed not in past.paper.quarantined:
        assert serving is not None
        assert serving.digest == digest_of(file.version)
        assert list(mine) == [serving.name]
    if not is_good and serving is not None and serving.digest == digest_of(file.version):
        assert fate_of(file.version) is Fate.SICKENS


@settings(max_examples=150, deadline=None)
@given(st.lists(commits | ticks | ticks, min_size=1, max_size=14))
def test_no_commit_and_no_death_of_the_reconciler_is_held_against_a_good_version(
    history: list[Event],
) -> None:
    past = History()
    for event in history:
        past.play(event)
    past.come_to_rest()
    blamed = [
        one.reason
        for known in past.paper.rollouts.values()
        for one in known.quarantined
        if fate_of(one.spec.version) is Fate.GOOD
    ]
    assert blamed == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 80), st.sampled_from([1, 2, 4, 5, 6, 7, 8, 9]))
@example(0, 2)
def test_a_crash_at_any_point_of_an_upgrade_ends_where_no_crash_ends(
    survives: int, version: int
) -> None:
    def upgraded(dies_in: int | None) -> dict[str, dict[str, str]]:
        past = History()
        past.commit(Commit("digits", 3, HOSTS))
        past.paper.run()
        past.commit(Commit("digits", version, HOSTS))
        past.paper.dies_in = dies_in
        past.paper.run(150)
        return {name: host.serving() for name, host in past.paper.hosts.items()}

    assert upgraded(survives) == upgraded(None)


def test_the_paper_fleet_notices_a_planner_that_removes_too_early() -> None:
    past = History()
    past.commit(Commit("digits", 1, ("h1",)))
    past.paper.run()
    serving = past.paper.hosts["h1"].serving()["digits"]
    why = reasons.Reason(reasons.Why.SUPERSEDED, "too early")
    with pytest.raises(Broken, match="removed with traffic"):
        past.paper._perform(actions.Remove("h1", "production/digits", serving, why))
