"""Where deployments go: out of which hosts, on which there is room, and off those that drain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import capacity, desired, kinds, placement, shares, sources, status
from reconciler.core.reasons import Why
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.wishes import deployment_file, host_file, wish

RACKS = ("a", "b", "c")
FLEET = tuple(f"h{number:02}" for number in range(12))


def host(name: str, more: str = "", *, labels: str = "site: lab") -> kinds.Host:
    text = host_text(name, more).replace("site: lab", labels)
    state = desired.load({f"models.d/hosts/{name}.yaml": text.encode()}, commit="c")
    assert not state.problems
    return state.hosts[name]


def host_text(name: str, more: str) -> str:
    return host_file(name).replace(
        "port: 8501}", f"port: 8501}}, {more}" if more else "port: 8501}"
    )


def deployment(targets: str, name: str = "digits") -> kinds.ModelDeployment:
    text = deployment_file(name, 1, ["h1"]).replace("hosts: [h1]", targets)
    found = sources.parse(f"models.d/production/{name}.yaml", text.encode())
    assert isinstance(found, sources.Source), found
    assert isinstance(found.kind, kinds.ModelDeployment)
    return found.kind


FITTING = {name: host(name) for name in FLEET}
RACKED = {
    name: host(name, labels=f"site: lab, rack: {RACKS[index % 3]}")
    for index, name in enumerate(FLEET)
}
_BY_LABEL = "matchLabels: {site: lab}"


@given(st.integers(1, 8), st.sets(st.sampled_from(FLEET), min_size=9), st.sampled_from(FLEET))
def test_a_host_that_goes_moves_only_what_it_had(count: int, there: set[str], gone: str) -> None:
    wanted = deployment(f"{_BY_LABEL}, replicas: {count}")
    before = set(placement.chosen(wanted, {name: FITTING[name] for name in there}))
    after = set(placement.chosen(wanted, {name: FITTING[name] for name in there - {gone}}))
    assert len(before) == count
    assert before - {gone} <= after
    assert len(after - before) == len(before & {gone})


def test_deployments_are_placed_evenly_over_the_fleet() -> None:
    taken = dict.fromkeys(FLEET, 0)
    for number in range(200):
        wanted = deployment(f"{_BY_LABEL}, replicas: 3", name=f"d{number}")
        for name in placement.chosen(wanted, FITTING):
            taken[name] += 1
    assert min(taken.values()) > 25


@given(st.integers(1, 12))
def test_hosts_are_spread_over_the_values_of_a_label(count: int) -> None:
    wanted = deployment(f"{_BY_LABEL}, replicas: {count}, spreadBy: rack")
    found = placement.chosen(wanted, RACKED)
    racks = [RACKED[name].metadata.labels["rack"] for name in found]
    assert len(found) == count
    assert max(racks.count(rack) for rack in RACKS) - min(map(racks.count, RACKS)) <= 1


def state(
    version: int, targets: str, hosts: dict[str, str], *, name: str = "digits"
) -> desired.DesiredState:
    """One deployment, and hosts with what else their files say."""
    text = deployment_file(name, version, ["x"]).replace("hosts: [x]", targets)
    more = {f"models.d/hosts/{host}.yaml": host_text(host, said) for host, said in hosts.items()}
    return wish({name: text}, hosts=hosts, commit=f"{version} {targets} {hosts}", policies=more)


def paper_of(first: desired.DesiredState) -> Paper:
    assert not first.problems
    paper = Paper(first, {name: PaperHost() for name in first.hosts})
    paper.run()
    return paper


def said(paper: Paper, code: Why) -> list[str]:
    return [wait.reason.text for wait in paper.plan().waits if wait.reason.code is code]


def test_a_drained_host_is_left_only_once_another_one_serves() -> None:
    hosts = dict.fromkeys(("h1", "h2", "h3"), "")
    targets = f"{_BY_LABEL}, replicas: 2"
    paper = paper_of(state(1, targets, hosts))
    left, kept = sorted(paper.serves())
    (new,) = hosts.keys() - paper.serves().keys()
    paper.slow = {new}
    paper.wish = state(1, targets, hosts | {left: "drain: true"})
    for _ in range(5):
        paper.tick()
    assert set(paper.serves()) == {left, kept}
    assert said(paper, Why.WAITING_FOR_SUCCESSOR) == [f"it moves once it serves on {new}"]
    paper.slow.clear()
    paper.run()
    assert set(paper.serves()) == {kept, new}
    assert paper.hosts[left].instances == {}


def test_of_all_hosts_with_a_label_one_that_drains_is_left_once_the_others_serve() -> None:
    hosts = {"h1": "", "h2": ""}
    paper = paper_of(state(1, _BY_LABEL, hosts))
    paper.slow = {"h2"}
    paper.wish = state(2, _BY_LABEL, hosts | {"h1": "drain: true"})
    for _ in range(5):
        paper.tick()
    assert paper.serves() == {"h1": 1, "h2": 1}
    paper.slow.clear()
    paper.run()
    assert paper.serves() == {"h2": 2}


def test_nothing_new_begins_on_a_drained_host_that_is_named_and_what_serves_is_kept() -> None:
    paper = paper_of(state(1, "hosts: [h1, h2]", {"h1": "", "h2": ""}))
    paper.wish = state(2, "hosts: [h1, h2]", {"h1": "drain: true", "h2": ""})
    paper.run()
    assert paper.serves() == {"h1": 1, "h2": 2}
    paper.hosts["h1"].instances.clear()
    paper.run()
    assert paper.serves() == {"h1": 1, "h2": 2}
    (found,) = status.compute(paper.wish, paper.observed(), paper.rollouts, paper.now)
    assert (found.health, found.health_reason) == (
        "Suspended", "drain: true in models.d/hosts/h1.yaml",
    )  # fmt: skip
    paper.wish = state(2, "hosts: [h1, h2]", {"h1": "", "h2": ""})
    paper.run()
    assert paper.serves() == {"h1": 2, "h2": 2}


def test_too_few_hosts_take_what_they_can_and_the_plan_says_so() -> None:
    paper = paper_of(state(1, f"{_BY_LABEL}, replicas: 3", {"h1": "", "h2": "drain: true"}))
    assert paper.serves() == {"h1": 1}
    assert said(paper, Why.TOO_FEW_HOSTS) == [
        "3 hosts are wanted and 2 fit: give more hosts the labels, or more capacity"
    ]


def test_a_version_that_does_not_fit_beside_its_predecessor_changes_nothing() -> None:
    hosts = {"h1": "capacity: {memory: 900Mi}", "h2": "capacity: {memory: 2Gi}"}
    paper = paper_of(state(1, "hosts: [h1, h2]", hosts))
    paper.wish = state(2, "hosts: [h1, h2]", hosts)
    for _ in range(10):
        paper.tick()
    assert paper.serves() == {"h1": 1, "h2": 1}
    assert all(len(host.instances) == 1 for host in paper.hosts.values())
    checked = paper.rollouts["production/digits"].on("h1").preflight
    assert checked is not None
    (blocked,) = checked.reasons
    assert blocked == (
        "512 MiB of memory wanted, 388 MiB of the 900Mi that h1 declares are free beside "
        "production/digits"
    )
    paper.wish = state(2, "hosts: [h1, h2]", hosts | {"h1": "capacity: {memory: 1Gi, cpus: 2}"})
    paper.run()
    assert paper.serves() == {"h1": 2, "h2": 2}


def test_of_two_that_begin_at_once_only_as_many_begin_as_fit() -> None:
    files = {name: deployment_file(name, 1, ["h1"]) for name in ("digits", "fraud", "tables")}
    hosts = {"models.d/hosts/h1.yaml": host_text("h1", "capacity: {cpus: 2}")}
    wanted = wish(files, hosts=["h1"], policies=hosts)
    assert not wanted.problems
    paper = Paper(wanted, {"h1": PaperHost()})
    for _ in range(20):
        paper.tick()
    found = {one.deployment for one in paper.hosts["h1"].instances.values()}
    assert found == {"production/digits", "production/fraud"}
    spec = wanted.deployments["production/tables"].spec_on("h1", "c")
    (blocked,) = capacity.obstacles(spec, wanted, paper.rollouts)
    assert blocked == (
        "1 cpus wanted, 0 of the 2 that h1 declares are free beside "
        "production/digits, production/fraud"
    )


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        (
            "hosts: [h1]",
            "spec.runtime.resources: h1 is too small for it: memory 512Mi of its 256Mi",
        ),
        (
            f"{_BY_LABEL}, replicas: 1",
            "spec.targets.matchLabels: no host that carries these has the capacity",
        ),
    ],
)
def test_what_could_not_be_there_even_alone_is_refused(targets: str, problem: str) -> None:
    found = state(1, targets, {"h1": "capacity: {memory: 256Mi}"}).problems
    assert [one.message for one in found] == [problem]
    assert all(one.fix for one in found)


def test_hosts_among_which_a_deployment_is_placed_have_one_reconciler() -> None:
    chosen = state(1, f"{_BY_LABEL}, replicas: 1", {"h1": "", "h2": "", "h3": ""})
    assert shares.groups(chosen.hosts, shares.together(chosen)) == [frozenset(chosen.hosts)]


def test_whoever_does_not_see_the_others_does_not_wait_for_them() -> None:
    hosts = {"h1": "", "h2": ""}
    paper = paper_of(state(1, f"{_BY_LABEL}, replicas: 1", hosts))
    (left,) = paper.serves()
    drained = state(1, f"{_BY_LABEL}, replicas: 1", hosts | {left: "drain: true"})
    paper.wish = shares.restricted(drained, paper.rollouts, {left}, is_first=False)
    paper.run()
    assert paper.hosts[left].instances == {}
