"""Which deployments come before others, as files say it: `dependsOn` and `syncWave`. Pure.

What can never come to pass is refused here: unknown names, circles, and one that must be there
before another of an earlier wave.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from reconciler.core import kinds
from reconciler.core.sources import Source, Tree
from registry.core import documents
from registry.core.documents import Problem

Waves: TypeAlias = tuple[tuple[int, tuple[str, ...]], ...]
"""Deployments by their sync wave, the smallest first."""


def before(deployment: kinds.ModelDeployment) -> tuple[str, ...]:
    """The keys of those that it names."""
    environment = deployment.metadata.environment
    return tuple(f"{environment}/{one.name}" for one in deployment.spec.depends_on)


def group(deployment: kinds.ModelDeployment) -> str:
    """Within what sync waves count: an environment, and there each project by itself."""
    return f"{deployment.metadata.environment}/{deployment.metadata.project}"


def sync_waves(tree: Tree) -> dict[str, Waves]:
    """The waves of each group that has more than one."""
    found: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key, source in sorted(tree.deployments.items()):
        kind = source.kind
        found[group(kind)][kind.spec.sync_wave].append(key)
    return {
        together: tuple((wave, tuple(keys)) for wave, keys in sorted(waves.items()))
        for together, waves in found.items()
        if len(waves) > 1
    }


def problems(tree: Tree) -> dict[str, list[Problem]]:
    """What is wrong with the order that files ask for, by deployment."""
    graph = {key: before(source.kind) for key, source in tree.deployments.items()}
    circles = _circles(graph)
    found: dict[str, list[Problem]] = defaultdict(list)
    for key, named in graph.items():
        for index in range(len(named)):
            found[key] += _problems(tree, tree.deployments[key], index, circles)
    return found


def _problems(
    tree: Tree,
    source: Source[kinds.ModelDeployment],
    index: int,
    circles: Mapping[tuple[str, str], list[str]],
) -> Iterator[Problem]:
    named, spec = before(source.kind), source.kind.spec
    key = f"{source.kind.metadata.environment}/{source.kind.metadata.name}"
    other, at = named[index], ("spec", "dependsOn", index, "name")
    field = f"spec.dependsOn.{index}.name"
    known = {*tree.deployments, *tree.broken_deployments}
    if other not in known:
        fix = f"add models.d/{other}.yaml; {documents.did_you_mean(other, sorted(known))}"
        yield source.document.problem(at, f"{field}: there is no deployment {other}", fix=fix)
    elif other in named[:index]:
        yield source.document.problem(at, f"{field}: is listed twice", fix="remove one")
    elif circle := circles.get((key, other)):
        said = f"{field}: each waits for the next: {' -> '.join(circle)}"
        yield source.document.problem(at, said, fix="remove one of them from a dependsOn")
    elif (
        (later := tree.deployments.get(other))
        and group(later.kind) == group(source.kind)
        and later.kind.spec.sync_wave > spec.sync_wave
    ):
        waves = f"{later.kind.spec.sync_wave}, after this one's {spec.sync_wave}"
        said = f"{field}: {other} comes in the sync wave {waves}"
        fix = "give this one the same syncWave or a later one, or remove it from dependsOn"
        yield source.document.problem(at, said, fix=fix)


def _circles(graph: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, str], list[str]]:
    """For each step from one to the next on a circle, the way round."""
    left = _stripped(_stripped({key: set(named) & graph.keys() for key, named in graph.items()}))
    found: dict[tuple[str, str], list[str]] = {}
    for key, named in left.items():
        for other in named:
            if way := _way(left, other, key):
                found[key, other] = [key, *way]
    return found


def _stripped(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The graph turned round, without those from which no circle can be reached."""
    turned: dict[str, set[str]] = {key: set() for key in graph}
    for key, named in graph.items():
        for other in named:
            turned[other].add(key)
    open_ends = {key: len(named) for key, named in graph.items()}
    free = deque(key for key, count in open_ends.items() if count == 0)
    while free:
        for other in turned.pop(free.popleft()):
            open_ends[other] -= 1
            if open_ends[other] == 0:
                free.append(other)
    return {key: named & turned.keys() for key, named in turned.items()}


def _way(graph: Mapping[str, set[str]], start: str, end: str) -> list[str]:
    """The shortest way; empty where there is none."""
    came: dict[str, str] = {start: ""}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if here == end:
            way = [here]
            while came[way[0]]:
                way.insert(0, came[way[0]])
            return way
        for other in sorted(graph[here]):
            if other not in came:
                came[other] = here
                queue.append(other)
    return []
