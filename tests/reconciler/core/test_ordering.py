"""Deployments that come one after the other: who waits for whom, and what can never be."""

import pytest

from reconciler.core import desired, shares
from reconciler.core.reasons import Why
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.wishes import deployment_file, wish

HOSTS = ("h1", "h2")
ROUND = "spec.dependsOn.0.name: each waits for the next: "


def state(files: dict[str, tuple[int, str, str]]) -> desired.DesiredState:
    """Deployments by name: the version, its host, and what else its file says."""
    texts = {
        name: deployment_file(name, version, [host]) + f"  {more}\n"
        for name, (version, host, more) in files.items()
    }
    return wish(texts, hosts=HOSTS, commit=str(sorted(files.items())))


def paper_of(files: dict[str, tuple[int, str, str]]) -> Paper:
    paper = Paper(state(files), {name: PaperHost() for name in HOSTS})
    assert not paper.wish.problems
    return paper


def said(paper: Paper, code: Why) -> list[str]:
    return [wait.reason.text for wait in paper.plan().waits if wait.reason.code is code]


def runs(paper: Paper) -> dict[str, int]:
    found = [known for host in paper.hosts.values() for known in host.instances.values()]
    return {known.deployment.removeprefix("production/"): known.version for known in found}


def test_a_deployment_waits_until_those_it_depends_on_are_good() -> None:
    paper = paper_of({"fraud": (1, "h1", "dependsOn: [{name: tables}]"), "tables": (1, "h2", "")})
    while not said(paper, Why.WAITING_FOR_DEPENDENCY):
        paper.tick()
    assert said(paper, Why.WAITING_FOR_DEPENDENCY) == [
        "production/tables comes first: version 1 is not yet good on h2"
    ]
    while "production/tables" not in paper.rollouts or not (
        paper.rollouts["production/tables"].on("h2").last_good
    ):
        assert "fraud" not in runs(paper)
        paper.tick()
    paper.run()
    assert runs(paper) == {"fraud": 1, "tables": 1}


def test_what_serves_already_is_healed_whatever_it_depends_on() -> None:
    paper = paper_of({"fraud": (1, "h1", ""), "tables": (1, "h2", "")})
    paper.run()
    paper.wish = state({"fraud": (1, "h1", "dependsOn: [{name: tables}]"), "tables": (5, "h2", "")})
    paper.hosts["h1"].instances.clear()
    paper.run()
    assert runs(paper) == {"fraud": 1, "tables": 1}


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ((4, "h2", ""), "version 4 is quarantined"),
        (
            (2, "h2", "labels: {}"),
            "its file is wrong",
        ),
    ],
)
def test_a_dependency_that_is_not_well_holds_a_new_version(
    tables: tuple[int, str, str], reason: str
) -> None:
    paper = paper_of({"fraud": (1, "h1", ""), "tables": (1, "h2", "")})
    paper.run()
    paper.wish = state({"fraud": (2, "h1", "dependsOn: [{name: tables}]"), "tables": tables})
    for _ in range(12):
        paper.tick()
    assert runs(paper)["fraud"] == 1
    assert said(paper, Why.WAITING_FOR_DEPENDENCY) == [f"production/tables comes first: {reason}"]


def test_a_dependency_out_of_sight_holds_a_new_version_and_says_so() -> None:
    paper = paper_of({"fraud": (1, "h1", ""), "tables": (1, "h2", "")})
    paper.run()
    paper.hosts["h2"].is_up = False
    paper.wish = state({"fraud": (2, "h1", "dependsOn: [{name: tables}]"), "tables": (1, "h2", "")})
    paper.tick()
    assert said(paper, Why.WAITING_FOR_DEPENDENCY) == [
        "production/tables comes first: none of its hosts can be reached"
    ]
    paper.hosts["h2"].is_up = True
    paper.run()
    assert runs(paper)["fraud"] == 2


def test_sync_waves_go_from_the_smallest_on_each_when_the_one_before_is_well() -> None:
    paper = paper_of(
        {
            "zeta": (1, "h1", "syncWave: -1"),
            "alpha": (1, "h2", "syncWave: 5"),
            "fraud": (1, "h1", ""),
            "tables": (1, "h2", ""),
        }
    )
    order: list[str] = []
    for _ in range(60):
        order += [name for name in runs(paper) if name not in order]
        paper.tick()
    assert order[0] == "zeta"
    assert order[-1] == "alpha"
    assert sorted(order[1:3]) == ["fraud", "tables"]


def test_a_wave_says_what_of_the_one_before_it_waits_for() -> None:
    paper = paper_of({"fraud": (1, "h1", "syncWave: 2"), "tables": (5, "h2", "syncWave: 1")})
    paper.run()
    assert said(paper, Why.WAITING_FOR_SYNC_WAVE) == [
        "sync wave 1 comes first: production/tables: version 5 is quarantined"
    ]


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        (
            {
                "a": (1, "h1", "dependsOn: [{name: b}]"),
                "b": (1, "h2", "dependsOn: [{name: c}]"),
                "c": (1, "h1", "dependsOn: [{name: b}, {name: d}]"),
                "d": (1, "h2", ""),
            },
            [
                f"{ROUND}production/b -> production/c -> production/b",
                f"{ROUND}production/c -> production/b -> production/c",
            ],
        ),
        (
            {"a": (1, "h1", "dependsOn: [{name: b}]"), "b": (1, "h2", "syncWave: 1")},
            ["spec.dependsOn.0.name: production/b comes in the sync wave 1, after this one's 0"],
        ),
        (
            {"a": (1, "h1", "dependsOn: [{name: b}, {name: b}]"), "b": (1, "h2", "")},
            ["spec.dependsOn.1.name: is listed twice"],
        ),
    ],
)
def test_an_order_that_can_never_be_is_refused(
    files: dict[str, tuple[int, str, str]], problems: list[str]
) -> None:
    found = state(files).problems
    assert [problem.message for problem in found] == problems
    assert all(problem.fix and problem.line > 1 for problem in found)


@pytest.mark.parametrize("more", ["dependsOn: [{name: tables}]", "syncWave: 1"])
def test_hosts_of_deployments_that_wait_for_one_another_have_one_reconciler(more: str) -> None:
    apart = state({"fraud": (1, "h1", ""), "tables": (1, "h2", "")})
    together = state({"fraud": (1, "h1", more), "tables": (1, "h2", "")})
    assert len(shares.groups(HOSTS, shares.together(apart))) == 2
    assert shares.groups(HOSTS, shares.together(together)) == [frozenset(HOSTS)]
