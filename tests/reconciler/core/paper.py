"""A fleet on paper: hosts as plain values, a clock that is a number, and versions with a fate.

Applies plans as the loop does (intent, effect, outcome), can die at any of the three points,
and checks the planner's safety rules at every single action, and in every round that a planner
that keeps what has not changed plans what a new one does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconciler.core import (
    actions,
    capacity,
    changes,
    desired,
    hookruns,
    outcomes,
    patience,
    reasons,
    remembering,
    resting,
    reverts,
    wording,
)
from reconciler.core.experiments import acts, applied
from reconciler.core.fleet import Fleet
from reconciler.core.following.acts import Bump, Track, Withdraw
from reconciler.core.measurements import Found, Measurement
from reconciler.core.observed import (
    Health,
    HostState,
    Instance,
    InstanceSpec,
    Phase,
    Route,
    Unreachable,
)
from reconciler.core.plan import Planner, on_hosts, plan
from reconciler.core.planned import Plan
from reconciler.core.promotions.acts import Assess, Promote, PromoteByHand, Recall, Soak
from reconciler.core.rollout import Rollouts, Verdict
from reconciler.core.rolloutjson import dump, load


class Fate(StrEnum):
    """What becomes of a version; `fate_of` reads it off the version's number."""

    GOOD = "good"
    FAILS_ACCEPTANCE = "fails acceptance"
    NEVER_HEALTHY = "never healthy"
    CRASHES = "crashes"
    REFUSED_IN_PREFLIGHT = "refused in preflight"
    REFUSED_BY_RUNTIME = "refused by runtime"
    SICKENS = "sickens with traffic"


_FATES: tuple[Fate, ...] = (Fate.GOOD, Fate.GOOD, *Fate)


_RESTFUL = frozenset({reasons.Why.REFUSED, reasons.Why.PINNED})
_BRIEF = frozenset({reasons.Why.WAITING_FOR_HEALTH})


def fate_of(version: int) -> Fate:
    """1, 2 and 3 are good; the rest take turns."""
    return _FATES[(version - 1) % len(_FATES)]


class Died(Exception):
    """The reconciler was killed."""


class Broken(AssertionError):
    """A safety rule does not hold."""


@dataclass
class PaperHost:
    """One host. `ages` counts the ticks since each instance was started."""

    instances: dict[str, Instance] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    ages: dict[str, int] = field(default_factory=dict)
    ingress: bool = False
    ingress_drift: str = ""
    is_up: bool = True

    def serving(self) -> dict[str, str]:
        """Model to the healthy instance that answers its clients."""
        return {
            model: route.instance
            for model, route in self.routes.items()
            if self.ingress
            and route.instance in self.instances
            and self.instances[route.instance].health is Health.HEALTHY
        }


@dataclass
class Paper:
    """`dies_in` is how many more points of the loop it survives; None means all.

    `blocked` hosts have no room, `failing` hosts fail acceptance, `slow` ones never get healthy;
    `errors` maps an action's verb to what goes wrong with it.
    """

    wish: desired.DesiredState
    hosts: dict[str, PaperHost]
    rollouts: Rollouts = field(default_factory=dict)
    now: float = 1_000_000.0
    dies_in: int | None = None
    verified: set[tuple[str, str]] = field(default_factory=set)
    tested: set[tuple[str, str]] = field(default_factory=set)
    quarantined: set[tuple[str, str]] = field(default_factory=set)
    done: list[actions.Action] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    errors: dict[str, str] = field(default_factory=dict)
    is_registry_down: bool = False
    measured: Callable[[str], Measurement] = lambda _: Found(1.0)
    answers: Callable[[hookruns.Call], outcomes.Outcome] = lambda _: outcomes.Done()
    looked: Callable[[acts.Look], outcomes.Outcome] = lambda _: outcomes.Looked(())
    promoted: Callable[[Promote], outcomes.Outcome] = lambda one: outcomes.Brought(
        one.spec.version, "https://forge/9"
    )
    brought: Callable[[Bump], outcomes.Outcome] = lambda one: outcomes.Brought(
        one.specs[0].version, "https://forge/10", 10
    )
    planner: Planner = field(default_factory=Planner)

    def observed(self) -> dict[str, HostState | Unreachable]:
        """One look at every host."""
        return {
            name: HostState(
                host=name,
                instances=tuple(host.instances.values()),
                routes=tuple(host.routes.values()),
                ingress_ready=host.ingress,
                ingress_drift=host.ingress_drift,
            )
            if host.is_up
            else Unreachable(name, "no route to host")
            for name, host in self.hosts.items()
        }

    def plan(self) -> Plan:
        """What the planner makes of it now: one that knows the rounds before, and a new one."""
        observed = self.observed()
        self.rollouts = patience.look(self.rollouts, observed, self.now, desired=self.wish)
        asked = applied.wanted(self.wish, self.rollouts, self.now)
        made = self.planner.plan(asked, observed, self.rollouts, self.now)
        afresh = plan(asked, observed, self.rollouts, self.now)
        if made != afresh:
            raise Broken(f"kept:\n{made.render()}\nplanned afresh:\n{afresh.render()}")
        self._check_rest(Fleet(asked, observed, self.rollouts, self.now), asked)
        return made

    def _check_rest(self, fleet: Fleet, asked: desired.DesiredState) -> None:
        """Where a deployment is at rest, all that is not looked at for that would say nothing."""
        for one in asked.deployments.values():
            if resting.is_at_rest(fleet, one) and (steps := list(on_hosts(fleet, one))):
                raise Broken(f"{one.key} is at rest, and yet: {steps}")

    def tick(self, seconds: float = 10.0) -> Plan:
        """One round, then time passes; the rollouts survive as JSON, as they do on disk."""
        made = self.plan()
        try:
            for action in made.actions:
                self._perform(action)
        except Died:
            self.rollouts = load(dump(self.rollouts))
        self.rollouts = load(dump(self.rollouts))
        self.now += seconds
        for name, host in self.hosts.items():
            if name not in self.slow:
                self._age(host)
        return made

    def did(self) -> list[str]:
        """What was done to hosts since last asked: verb and host."""
        others = [a for a in self.done if not isinstance(a, actions.Proceed)]
        lines = [f"{wording.place(a)} {a.verb}" for a in others]
        self.done.clear()
        return lines

    def serves(self, model: str = "digits") -> dict[str, int]:
        """The version that each host serves."""
        found = {}
        for name, host in self.hosts.items():
            if instance := host.serving().get(model):
                found[name] = host.instances[instance].version
        return found

    def run(self, ticks: int = 60) -> int:
        """Tick until two rounds in a row have nothing to do and nothing to wait for in time."""
        quiet = 0
        for count in range(ticks):
            made = self.tick()
            quiet = quiet + 1 if _is_at_rest(made) else 0
            if quiet == 2:
                return count
        raise Broken("it never comes to rest:\n" + made.render())

    def settle(self) -> None:
        """What was started becomes what it becomes, at once."""
        for host in self.hosts.values():
            for _ in range(5):
                self._age(host)

    def _perform(self, action: actions.Action) -> None:
        self._survive()
        self.rollouts = remembering.intend(self.rollouts, action, self.now)
        self._survive()
        before = {name: host.serving() for name, host in self.hosts.items()}
        error = self.errors.get(action.verb)
        outcome = outcomes.Failed(error) if error else self._effect(action)
        self._check_service(action, before)
        self.done.append(action)
        self._survive()
        self.rollouts = remembering.conclude(self.rollouts, action, outcome, self.now)
        if isinstance(action, actions.Quarantine):
            self.quarantined.add((action.deployment, action.revision))

    def _survive(self) -> None:
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in < 0:
                self.dies_in = None
                raise Died

    def _effect(self, action: actions.Action) -> outcomes.Outcome:  # noqa: C901, PLR0911, PLR0912, PLR0915  an arm each
        match action:
            case actions.Preflight():
                return self._preflight(action)
            case actions.Start():
                self._start(action)
            case actions.Restart() | actions.Renew():
                self._restart(action)
            case actions.Accept():
                return self._accept(action)
            case actions.RouteTo():
                self._route(action)
            case actions.Unroute():
                self._up(action.host).routes.pop(action.model, None)
            case actions.Remove():
                self._remove(action)
            case reverts.PushRevert():
                return outcomes.Done("branch")
            case reverts.OpenRequest():
                return outcomes.Opened(7, "https://forge/7")
            case reverts.CloseRequest():
                return outcomes.Done()
            case actions.Shift():
                self._shift(action)
            case actions.Measure() | Assess():
                return outcomes.Measured(tuple((n, self.measured(n)) for n in action.metrics))
            case actions.Grant():
                return self._grant(action)
            case hookruns.Call():
                return self.answers(action)
            case acts.Look():
                return self.looked(action)
            case actions.Proceed() | actions.Settle() | actions.Forget() | actions.GiveUp():
                pass
            case actions.Quarantine():
                pass  # whoever dies before it is remembered finds out again
            case acts.Propose():
                return outcomes.Done("https://forge/8")
            case Promote():
                return self.promoted(action)
            case Bump():
                return self.brought(action)
            case Withdraw() | PromoteByHand() | Recall():
                return outcomes.Done()
            case acts.Begin() | acts.Decide() | Soak() | Track():
                pass
        return outcomes.Done()

    def _grant(self, action: actions.Grant) -> outcomes.Outcome:
        """What was good on one host may be gone back to on another, where it verifies."""
        match action.change:
            case changes.GoBack(revision, goods):
                self.quarantined.add((action.deployment, revision))
                if self.is_registry_down:
                    return outcomes.Done()
                passed = {(spec.host, spec.spec_hash) for spec in goods}
                self.verified |= passed
                self.tested |= passed
                return outcomes.Preflighted(self.wish.policies.digest, Verdict.PASSED)
            case changes.TryAgain(revision):
                self.quarantined.discard((action.deployment, revision))
            case changes.Hold() | changes.LetGo() | changes.Decline():
                pass
        return outcomes.Done()

    def _preflight(self, action: actions.Preflight) -> outcomes.Outcome:
        self._up(action.host)
        said = capacity.obstacles(action.spec, self.wish, self.rollouts)
        said += ("no memory left",) if action.host in self.blocked else ()
        if said:
            return outcomes.Preflighted(self.wish.policies.digest, Verdict.BLOCKED, said)
        refused = fate_of(action.spec.version) is Fate.REFUSED_IN_PREFLIGHT
        if not refused:
            self.verified.add((action.host, action.spec.spec_hash))
        verdict = Verdict.REFUSED if refused else Verdict.PASSED
        return outcomes.Preflighted(self.wish.policies.digest, verdict, ("bad",) if refused else ())

    def _start(self, action: actions.Start) -> None:
        spec, host = action.spec, self._up(action.host)
        self._require((action.host, spec.spec_hash) in self.verified, "unverified", action)
        key = (spec.deployment, action.revision)
        self._require(key not in self.quarantined, "quarantined", action)
        if action.revision == "":
            good = self.rollouts[spec.deployment].on(action.host).last_good
            is_good = good is not None and good.spec_hash == spec.spec_hash
            self._require(is_good, "healed what was never good", action)
        if spec.name not in host.instances or host.instances[spec.name].phase is Phase.CREATED:
            host.instances[spec.name] = _started(spec)
            host.ages[spec.name] = 0
            host.ingress = True

    def _restart(self, action: actions.Restart | actions.Renew) -> None:
        host = self._up(action.host)
        known = host.instances[action.instance]
        self._require((action.host, known.spec_hash) in self.verified, "unverified", action)
        if known.health is Health.HEALTHY and known.drift:
            # What is mended runs on.
            host.instances[action.instance] = replace(known, drift="")
            return
        host.instances[action.instance] = replace(
            known, phase=Phase.RUNNING, health=Health.STARTING, exit_code=None, drift=""
        )
        host.ages[action.instance] = 0

    def _accept(self, action: actions.Accept) -> outcomes.Outcome:
        known = self._up(action.host).instances[action.spec.name]
        self._require(known.health is Health.HEALTHY, "tested while not healthy", action)
        is_bad = fate_of(action.spec.version) is Fate.FAILS_ACCEPTANCE
        passed = not is_bad and action.host not in self.failing
        if passed:
            self.tested.add((action.host, action.spec.spec_hash))
        return outcomes.Tested(passed, () if passed else ("accuracy 0.1",))

    def _route(self, action: actions.RouteTo) -> None:
        host = self._up(action.host)
        known = host.instances.get(action.spec.name)
        self._require(known is not None, "routed to nothing", action)
        self._require(known is not None and known.health is Health.HEALTHY, "sick", action)
        is_tested = (action.host, action.spec.spec_hash) in self.tested
        self._require(is_tested or not self._has_tests(action.spec), "untested", action)
        host.routes[action.spec.model] = action.route
        host.ingress, host.ingress_drift = True, ""

    def _shift(self, action: actions.Shift) -> None:
        """A candidate gets traffic only when it is well and tested, and never all of it so."""
        host = self._up(action.host)
        known = host.routes.get(action.spec.model)
        self._require(known is not None and known.instance == action.stable, "shifted off", action)
        if action.share is not None:
            there = host.instances.get(action.share.instance)
            is_well = there is not None and there.health is Health.HEALTHY
            self._require(is_well, "shared with the sick", action)
            is_tested = (action.host, action.spec.spec_hash) in self.tested
            self._require(is_tested or not self._has_tests(action.spec), "untested", action)
        host.routes[action.spec.model] = action.route

    def _has_tests(self, spec: InstanceSpec) -> bool:
        found = self.wish.deployments.get(spec.deployment)
        return found is not None and bool(found.templates)

    def _remove(self, action: actions.Remove) -> None:
        host = self._up(action.host)
        has_traffic = any(
            action.instance in (route.instance, route.share.instance if route.share else "")
            for route in host.routes.values()
        )
        self._require(not has_traffic, "removed with traffic", action)
        host.instances.pop(action.instance, None)

    def _up(self, name: str) -> PaperHost:
        if not self.hosts[name].is_up:
            raise Broken(f"acted on the unreachable {name}")
        return self.hosts[name]

    def _check_service(self, action: actions.Action, before: dict[str, dict[str, str]]) -> None:
        if isinstance(action, actions.Unroute):
            return
        for name, host in self.hosts.items():
            lost = before[name].keys() - host.serving().keys()
            self._require(not lost, f"{name} no longer serves {lost}", action)

    def _require(self, is_so: bool, rule: str, action: actions.Action) -> None:
        if not is_so:
            raise Broken(f"{rule}: {wording.render(action)}")

    def _age(self, host: PaperHost) -> None:
        routed = {route.instance for route in host.routes.values()}
        routed |= {route.share.instance for route in host.routes.values() if route.share}
        for name, known in host.instances.items():
            host.ages[name] += 1
            if known.phase is Phase.RUNNING:
                host.instances[name] = _grown(known, host.ages[name], is_routed=name in routed)


def _is_at_rest(made: Plan) -> bool:
    """Nothing to do and nothing to wait for, but to ask again about what was refused."""
    others = [action for action in made.actions if action.reason.code != reasons.Why.REFUSED]
    timed = [wait for wait in made.waits if wait.until is not None or wait.reason.code in _BRIEF]
    return not others and all(wait.reason.code in _RESTFUL for wait in timed)


def _started(spec: InstanceSpec) -> Instance:
    return Instance.of(spec, Phase.RUNNING, Health.STARTING)


def _grown(known: Instance, age: int, *, is_routed: bool) -> Instance:
    match fate_of(known.version):
        case Fate.NEVER_HEALTHY:
            return known
        case Fate.CRASHES:
            return replace(known, phase=Phase.EXITED, health=Health.NONE, exit_code=1)
        case Fate.REFUSED_BY_RUNTIME:
            return replace(known, health=Health.REFUSED, detail="digest_mismatch: other bytes")
        case Fate.SICKENS if is_routed and age > 1:
            return replace(known, health=Health.UNHEALTHY)
        case _:
            return replace(known, health=Health.HEALTHY)
