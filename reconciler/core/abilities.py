"""What a host can do with a model, and whether that is enough for a strategy and for tests. Pure.

`ABLE` is the one place that says what each kind of host can; what it cannot is refused when the
file is read, long before a candidate would wait for a share that it never gets.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from reconciler.core.kinds import AcceptanceTemplate, Host, ModelDeployment
from reconciler.core.kinds import strategy as files
from reconciler.core.sources import Source
from registry.core.documents import Problem


class Ability(StrEnum):
    """One thing, in words that follow on "cannot"."""

    WEIGHT = "send a part of a model's requests to a second version"
    HEADERS = "send requests to a second version by their headers"
    MIRROR = "copy requests to a second version"
    STICKY_COOKIE = "keep clients with a version by a cookie"
    STICKY_HEADER = "keep clients with a version by a header"
    IN_PLACE = "swap versions inside one runtime"
    MEMORY = "say how much memory a candidate holds"
    TEST = "run a test in a container beside a candidate"


class Hosts(StrEnum):
    """Kinds of hosts, as they are called in files."""

    DOCKER = "Docker"
    HAPROXY = "driver: haproxy"
    SWARM = "mode: swarm"
    PROCESS = "process://"


_TESTING = {Ability.MEMORY, Ability.TEST}
_SHARING = {Ability.WEIGHT, Ability.HEADERS, Ability.MIRROR, Ability.STICKY_COOKIE}
ABLE: Mapping[Hosts, frozenset[Ability]] = {
    Hosts.DOCKER: frozenset(_SHARING | _TESTING),
    Hosts.HAPROXY: frozenset(
        {Ability.WEIGHT, Ability.HEADERS, Ability.STICKY_COOKIE, Ability.STICKY_HEADER} | _TESTING
    ),
    Hosts.SWARM: frozenset(_SHARING),
    Hosts.PROCESS: frozenset({Ability.IN_PLACE, Ability.MEMORY}),
}
_INSTEAD = {
    Ability.IN_PLACE: "use blueGreen: {scaleDownDelaySeconds: 0}",
    Ability.STICKY_HEADER: "use sticky: {cookie: experiment}",
    Ability.MEMORY: "take memory out of the template",
    Ability.TEST: "take container out of the template",
}
_MOST_NAMED = 3


def kind_of(host: Host) -> Hosts:
    """Which kind of host this is."""
    if host.spec.engine.is_process:
        return Hosts.PROCESS
    if host.spec.engine.mode == "swarm":
        return Hosts.SWARM
    return Hosts.HAPROXY if host.spec.ingress.driver == "haproxy" else Hosts.DOCKER


def needed(strategy: files.Strategy) -> dict[Ability, files.Place]:
    """What `strategy` asks of its hosts, each with the first place in `spec` that does."""
    found: dict[Ability, files.Place] = {}
    for ability, place in _needs(strategy):
        found.setdefault(ability, ("strategy", strategy.name, *place))
    return found


def problems(source: Source[ModelDeployment], targets: Mapping[str, Host]) -> Iterator[Problem]:
    """What the strategy of `source` asks of `targets` that some of them cannot."""
    for ability, place in needed(source.kind.spec.strategy).items():
        yield from _lacking(source, targets, ability, ("spec", *place))


def untestable(
    source: Source[ModelDeployment],
    targets: Mapping[str, Host],
    templates: Mapping[str, AcceptanceTemplate],
) -> Iterator[Problem]:
    """What the acceptance tests of `source` ask of `targets` that some of them cannot."""
    for index, reference in enumerate(source.kind.spec.acceptance):
        template = templates.get(reference.template)
        if template is None:
            continue
        asked = {Ability.MEMORY: template.spec.memory, Ability.TEST: template.spec.container}
        for ability in (ability for ability, check in asked.items() if check is not None):
            at: files.Place = ("spec", "acceptance", index, "template")
            yield from _lacking(source, targets, ability, at)


def lonely(source: Source[ModelDeployment], targets: Mapping[str, Host]) -> Iterator[Problem]:
    """Members serve in the same runtime; in a container of its own an ensemble waits for ever."""
    if source.kind.spec.runtime.format != "ensemble":
        return
    for name, host in targets.items():
        if not host.spec.engine.is_process:
            message = (
                f"spec.runtime.format: an ensemble needs its members in its own runtime, and on "
                f"the Docker host {name} each deployment has a container of its own"
            )
            fix = "target hosts whose engine.address is process://, its members' deployments too"
            yield source.document.problem(("spec", "runtime", "format"), message, fix=fix)


def _lacking(
    source: Source[ModelDeployment],
    targets: Mapping[str, Host],
    ability: Ability,
    at: files.Place,
) -> Iterator[Problem]:
    unable = sorted(name for name, host in targets.items() if ability not in ABLE[kind_of(host)])
    if unable:
        message = f"{'.'.join(map(str, at))}: {_names(unable)} cannot {ability}"
        yield source.document.problem(at, message, fix=_fix(ability))


def _needs(strategy: files.Strategy) -> Iterator[tuple[Ability, files.Place]]:
    match strategy.one:
        case files.Canary() as chosen:
            yield from _steps(chosen.steps)
        case files.AbTest() as chosen:
            by_cookie = chosen.sticky.cookie is not None
            yield (Ability.STICKY_COOKIE if by_cookie else Ability.STICKY_HEADER), ("sticky",)
            yield from _steps(chosen.steps)
        case files.Shadow():
            yield Ability.MIRROR, ()
        case files.InPlace():
            yield Ability.IN_PLACE, ()
        case files.Rolling() | files.BlueGreen():
            return


def _steps(steps: list[files.StepOf]) -> Iterator[tuple[Ability, files.Place]]:
    for index, step in enumerate(steps):
        if step.set_weight is not None:
            yield Ability.WEIGHT, ("steps", index, "setWeight")
        if step.set_header_route is not None:
            yield Ability.HEADERS, ("steps", index, "setHeaderRoute")
        if step.set_mirror_route is not None:
            yield Ability.MIRROR, ("steps", index, "setMirrorRoute")


def _names(hosts: list[str]) -> str:
    if len(hosts) == 1:
        return f"the host {hosts[0]}"
    more = f" and {len(hosts) - _MOST_NAMED} more" if len(hosts) > _MOST_NAMED else ""
    return f"the hosts {', '.join(hosts[:_MOST_NAMED])}{more}"


def _fix(ability: Ability) -> str:
    instead = _INSTEAD.get(ability, "use blueGreen or rolling")
    able = [kind for kind in Hosts if ability in ABLE[kind]]
    return f"{instead}, or target {' or '.join(able)} hosts" if able else instead
