"""What a file asks of hosts with masters of their own, and nobody could keep, is refused."""

import pytest

from reconciler.core import desired, remote
from tests.reconciler.agents import OWN
from tests.reconciler.town import HOST, manifest

DIGEST = "sha256:" + "1" * 64
BOTH = "[edge-1, edge-2]"


def load(**deployments: str) -> desired.DesiredState:
    """edge-1 is the reconciler's, edge-2 its agent's own."""
    files = {
        "models.d/hosts/edge-1.yaml": HOST.format(name="edge-1"),
        "models.d/hosts/edge-2.yaml": OWN,
    }
    for name, text in deployments.items():
        own = text.replace("name: digits", f"name: {name}")
        files[f"models.d/production/{name}.yaml"] = own
    return desired.load({path: text.encode() for path, text in files.items()}, commit="c" * 40)


def wish(hosts: str, more: str = "") -> str:
    return f"{manifest(1, DIGEST, hosts=hosts)}{more}"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("  fleet: {maxParallel: 1}\n", "edge-2 takes a version without regard to other hosts"),
        ("  dependsOn: [{name: other}]\n", "production/other is not on edge-2"),
    ],
)
def test_no_promise_is_made_across_masters(more: str, said: str) -> None:
    state = load(digits=wish(BOTH, more), other=wish("[edge-1]"))
    assert said in state.held["production/digits"][0].detail


def test_a_reconciler_waits_for_nothing_that_it_does_not_see() -> None:
    more = "  dependsOn: [{name: other}]\n"
    state = load(digits=wish("[edge-1]", more), other=wish("[edge-2]"))
    assert "which the reconciler does not see" in state.held["production/digits"][0].detail


def test_alone_an_agent_may_be_asked_for_all_that_a_reconciler_may() -> None:
    more = "  fleet: {maxParallel: 1}\n  dependsOn: [{name: other}]\n"
    state = load(digits=wish("[edge-2]", more), other=wish(BOTH))
    assert state.problems == ()


def test_the_two_parts_of_a_desired_state_have_no_host_in_common_and_lack_none() -> None:
    state = load(digits=wish(BOTH), other=wish("[edge-2]"))
    rest = remote.without(state, remote.managed(state))
    own = remote.only(state, {}, {"edge-2"})
    nobodys = remote.only(state, {}, {"edge-1"})
    assert (list(rest.hosts), list(own.hosts), list(nobodys.hosts)) == (["edge-1"], ["edge-2"], [])
    targets = {
        key: (*rest.deployments[key].hosts, *own.deployments[key].hosts)
        for key in state.deployments
    }
    assert targets == {"production/digits": ("edge-1", "edge-2"), "production/other": ("edge-2",)}
    assert rest.remote == {"production/digits": ("edge-2",), "production/other": ("edge-2",)}
    assert (rest.proposes, own.proposes) == (True, False)


def test_an_agents_engine_is_on_its_own_machine() -> None:
    elsewhere = OWN.replace("unix:///var/run/docker.sock", "tcp://10.0.0.7:2376")
    files = {"models.d/hosts/edge-2.yaml": elsewhere.encode()}
    state = desired.load(files, commit="c" * 40)
    assert "an agent acts on its own machine" in state.problems[0].detail
