"""A planner that keeps what has not changed: it plans what a new one does, and only that anew.

Over random histories `paper.Paper` compares the two in every round of every test of the planner.
"""

from dataclasses import replace

from reconciler.core import rolloutjson
from reconciler.core.desired import DesiredState
from reconciler.core.observed import Health, HostState, Instance, Phase, Route, Unreachable
from reconciler.core.plan import Planner, plan
from reconciler.core.rollout import HostRollout, Rollout
from tests.reconciler.core.wishes import deployment_file, wish

NOW = 1_000_000.0
HOSTS = ("h1", "h2", "h3")


class Town:
    """A converged fleet: `count` deployments on three hosts each, and the planner that knows it."""

    def __init__(self, count: int) -> None:
        self.files = {
            f"m{number}": deployment_file(f"m{number}", 1, HOSTS) for number in range(count)
        }
        self.wish = self.read("c1")
        specs = {
            key: [one.spec_on(host, "c1") for host in one.hosts]
            for key, one in self.wish.deployments.items()
        }
        self.rollouts = {
            key: Rollout({spec.host: HostRollout(last_good=spec) for spec in found})
            for key, found in specs.items()
        }
        self.observed: dict[str, HostState | Unreachable] = {}
        for number, host in enumerate(HOSTS):
            here = [found[number] for found in specs.values()]
            self.observed[host] = HostState(
                host,
                tuple(Instance.of(spec, Phase.RUNNING, Health.HEALTHY) for spec in here),
                tuple(Route(spec.model, spec.deployment, spec.name) for spec in here),
                ingress_ready=True,
            )
        self.planner = Planner()
        self.plan()

    def read(self, commit: str) -> DesiredState:
        return wish(self.files, hosts=HOSTS, commit=commit)

    def host(self, name: str) -> HostState:
        found = self.observed[name]
        assert isinstance(found, HostState)
        return found

    def see(self, name: str, state: HostState | Unreachable) -> None:
        self.observed = {**self.observed, name: state}

    def plan(self) -> int:
        """How many deployments were planned anew; the plan is what a new planner makes."""
        made = self.planner.plan(self.wish, self.observed, self.rollouts, NOW)
        assert made == plan(self.wish, self.observed, self.rollouts, NOW)
        return self.planner.renewed


def test_nothing_is_planned_anew_where_nothing_has_changed() -> None:
    town = Town(4)
    town.observed = {host: replace(town.host(host)) for host in HOSTS}
    town.rollouts = dict(rolloutjson.load(rolloutjson.dump(town.rollouts)))
    assert town.plan() == 0


def test_a_commit_that_changes_one_deployment_plans_one_anew_however_many_there_are() -> None:
    for count in (3, 30):
        town = Town(count)
        town.files["m1"] = deployment_file("m1", 2, HOSTS)
        town.wish = town.read("c2")
        assert town.plan() == 1


def test_an_instance_that_dies_plans_its_deployment_anew_and_no_other_of_its_host() -> None:
    for count in (3, 30):
        town = Town(count)
        state = town.host("h2")
        dead = replace(state.instances[0], phase=Phase.EXITED, health=Health.NONE, exit_code=1)
        town.see("h2", replace(state, instances=(dead, *state.instances[1:])))
        assert town.plan() == 1


def test_what_is_under_way_is_planned_anew_in_each_round_and_what_only_waits_is_not() -> None:
    town = Town(3)
    town.files["m1"] = deployment_file("m1", 2, HOSTS)
    town.files["m2"] = deployment_file("m2", 2, HOSTS, suspend=True)
    town.wish = town.read("c2")
    assert town.plan() == 2
    assert town.plan() == 1


def test_a_host_that_is_lost_or_whose_ingress_goes_plans_anew_all_that_is_on_it() -> None:
    town = Town(3)
    before = town.host("h3")
    town.see("h3", Unreachable("h3", "no route to host"))
    assert town.plan() == 3
    town.see("h3", Unreachable("h3", "connection refused"))
    assert town.plan() == 3
    town.see("h3", replace(before, ingress_ready=False))
    assert town.plan() == 3


def test_a_model_that_another_deployment_takes_over_plans_anew_whoever_serves_it_there() -> None:
    town = Town(3)
    del town.files["m0"]
    town.files["other"] = deployment_file("other", 1, HOSTS, model="m0")
    town.wish = town.read("c2")
    assert town.plan() == 2
    town.files["other"] = deployment_file("other", 1, HOSTS, model="m9")
    town.wish = town.read("c3")
    assert town.plan() == 2


def test_policies_and_the_guard_against_pruning_are_everybodys() -> None:
    town = Town(3)
    town.wish = wish(
        town.files,
        hosts=HOSTS,
        commit="c1",
        policies={
            "policies/deploy/more.yaml": """\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {name: more}
spec: {mode: enforce, validations: [{expression: "true", message: never}]}
"""
        },
    )
    assert town.plan() == 3
    town.wish = replace(town.wish, allow_empty=True)
    assert town.plan() == 3


def test_a_deployment_that_is_gone_everywhere_is_not_thought_of_any_more() -> None:
    town = Town(3)
    del town.files["m2"]
    town.wish = town.read("c2")
    assert town.plan() == 1
    town.rollouts = {key: one for key, one in town.rollouts.items() if key != "production/m2"}
    for host in HOSTS:
        state = town.host(host)
        town.see(host, replace(state, instances=state.instances[:2], routes=state.routes[:2]))
    assert town.plan() == 1
    assert town.plan() == 0
    assert set(town.planner._askers._asked) == {"production/m0", "production/m1"}
