"""The reconciler is killed at every single point of every strategy, and the next one goes on.

A fleet on paper goes through a rollout once. Before each effect, between its intent and itself,
and between itself and its outcome, a copy of that fleet is kept as a killed reconciler leaves it;
each copy is then brought to its end by a reconciler that knows only what was on disk.
"""

from dataclasses import dataclass, field, replace

import pytest

from reconciler.core.measurements import Found
from reconciler.core.strategies.progress import State, Verb, Wish
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.paper import Fate, Paper, PaperHost, fate_of
from tests.reconciler.core.test_strategies import LATENCY
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

TEMPLATES = {"models.d/templates/latency.yaml": LATENCY.replace("COUNT", "count: 2")}
_BY = "{templates: [{templateName: latency}]}"
_HEADER = "{setHeaderRoute: {match: [{headerName: x-beta, headerValue: {exact: a}}]}}"
_STEPS = f"[{{setWeight: 10}}, {{pause: {{duration: 20s}}}}, {_HEADER}, {{pause: {{}}}}]"
_MEASURED = f"[{{setWeight: 10}}, {{analysis: {_BY}}}, {{setMirrorRoute: {{percentage: 50}}}}]"
_BESIDE = "{templates: [{templateName: latency}], startingStep: 1}"
PLAIN = {
    "blueGreen": "blueGreen: {scaleDownDelaySeconds: 20}",
    "rolling": "rolling: {}",
    "inPlace": "inPlace: {}",
    "by a person": "blueGreen: {autoPromotionEnabled: false}",
    "after a while": "blueGreen: {autoPromotionEnabled: false, autoPromotionSeconds: 20}",
    "canary": f"canary: {{steps: {_STEPS}}}",
    "abTest": f"abTest: {{sticky: {{header: x-user}}, steps: {_STEPS}}}",
}
# Swapped in place nothing is left to go back to once a version that sickens later has settled.
CASES = sorted({(name, version) for name in PLAIN for version in (2, 4, 8, 9)} - {("inPlace", 9)})
MEASURED = {
    "blueGreen": f"blueGreen: {{prePromotionAnalysis: {_BY}, postPromotionAnalysis: {_BY}}}",
    "canary": f"canary: {{steps: {_MEASURED}, analysis: {_BESIDE}}}",
    "shadow": f"shadow: {{duration: 30s, analysis: {_BY}}}",
}


@dataclass
class Watched(Paper):
    """Keeps a copy of itself at every point at which it could be killed."""

    deaths: list["Watched"] = field(default_factory=list)

    def _survive(self) -> None:
        self.deaths.append(_copied(self))


def _copied(paper: Paper) -> "Watched":
    return Watched(
        paper.wish,
        {name: _host(host) for name, host in paper.hosts.items()},
        rollouts=paper.rollouts,
        now=paper.now,
        verified=set(paper.verified),
        tested=set(paper.tested),
        quarantined=set(paper.quarantined),
        measured=paper.measured,
    )


def _host(host: PaperHost) -> PaperHost:
    return replace(
        host,
        instances=dict(host.instances),
        routes=dict(host.routes),
        ages=dict(host.ages),
    )


def rolled_out(strategy: str, version: int, *, measured: float = 0.1, fleet: str = "") -> Watched:
    """Both hosts serve version 1, then Git asks for `version`; played to its end."""
    paper = Watched(
        wish({"digits": deployment_file("digits", 1, BOTH)}, hosts=BOTH),
        {host: PaperHost() for host in BOTH},
        measured=lambda _: Found(measured),
    )
    paper.run()
    paper.deaths.clear()
    paper.done.clear()
    ask(paper, version, strategy=strategy, fleet=fleet)
    play(paper)
    return paper


def ask(paper: Paper, version: int, *, strategy: str, fleet: str = "") -> None:
    """Let Git ask for `version`."""
    text = deployment_file("digits", version, BOTH, strategy=strategy, fleet=fleet)
    paper.wish = wish({"digits": text}, hosts=BOTH, commit=f"c{version}", policies=TEMPLATES)
    assert not paper.wish.problems


def play(paper: Paper) -> None:
    """To rest; a person lets it go on wherever one is waited for."""
    for _ in range(4):
        paper.run(150)
        known = paper.rollouts[KEY]
        if known.progress is None or known.progress.state is not State.PAUSED:
            return
        asked = Wish(f"wish at {known.progress.index}", Verb.PROMOTE, "go on")
        paper.rollouts = {**paper.rollouts, KEY: replace(known, wish=asked)}
    raise AssertionError("it never ends")


def wrong(paper: Paper, version: int) -> str:
    """What is not as it should be, with `version` alone on both hosts."""
    found = []
    for name, host in paper.hosts.items():
        if [one.digest for one in host.instances.values()] != [digest_of(version)]:
            found.append(f"{name} runs {sorted(host.instances)}")
        if "digits" not in host.serving():
            found.append(f"{name} serves nothing")
        if host.routes["digits"].share is not None:
            found.append(f"{name} still shares")
    if paper.rollouts[KEY].progress is not None:
        found.append("its progress is still remembered")
    return "; ".join(found)


def all_converge(paper: Watched, version: int) -> None:
    assert wrong(paper, version) == ""
    for number, dead in enumerate(paper.deaths):
        play(dead)
        assert wrong(dead, version) == "", f"killed at point {number} of {len(paper.deaths)}"
        assert dead.quarantined == paper.quarantined


@pytest.mark.parametrize(("name", "version"), CASES)
def test_killed_at_each_point_of_a_strategy_the_next_one_goes_on(name: str, version: int) -> None:
    paper = rolled_out(PLAIN[name], version)
    fate = fate_of(version)
    shares = name in ("canary", "abTest") and fate in (Fate.GOOD, Fate.SICKENS)
    assert shares == ("shift" in {action.verb for action in paper.done})
    assert len(paper.deaths) > 15
    all_converge(paper, version if fate is Fate.GOOD else 1)


@pytest.mark.parametrize("measured", [0.1, 0.9])
@pytest.mark.parametrize("name", MEASURED)
def test_killed_at_each_point_of_an_analysis_the_next_one_goes_on(
    name: str, measured: float
) -> None:
    paper = rolled_out(MEASURED[name], 2, measured=measured)
    assert "measure" in {action.verb for action in paper.done}
    assert len(paper.deaths) > 30
    all_converge(paper, 2 if measured < 0.5 else 1)


@pytest.mark.parametrize("version", [2, 9])
def test_killed_at_each_point_of_a_canary_in_waves_the_next_one_goes_on(version: int) -> None:
    paper = rolled_out(PLAIN["canary"], version, fleet="maxParallel: 1")
    assert "shift" in {action.verb for action in paper.done}
    all_converge(paper, 2 if version == 2 else 1)


@pytest.mark.parametrize("name", ["blueGreen", "inPlace", "rolling", "canary"])
def test_killed_while_it_goes_back_it_does_not_hold_that_against_the_version(name: str) -> None:
    """Git asks for 2, at any point of that for 1 again, and at any point of that for 2."""
    for midway in rolled_out(PLAIN[name], 2).deaths[::5]:
        ask(midway, 1, strategy=PLAIN[name])
        play(midway)
        assert wrong(midway, 1) == ""
        for number, dead in enumerate(midway.deaths):
            ask(dead, 2, strategy=PLAIN[name])
            play(dead)
            assert wrong(dead, 2) == "", f"killed at point {number} of {len(midway.deaths)}"
            assert dead.quarantined == set()


def test_a_version_that_was_taken_back_midway_goes_through_all_steps_when_asked_for_again() -> None:
    for midway in rolled_out(PLAIN["canary"], 2).deaths:
        ask(midway, 1, strategy=PLAIN["canary"])
        play(midway)
        midway.done.clear()
        ask(midway, 2, strategy=PLAIN["canary"])
        play(midway)
        is_good = midway.rollouts[KEY].on("h1").last_good
        assert is_good is not None
        assert is_good.version == 2
        assert "shift" in {action.verb for action in midway.done}
