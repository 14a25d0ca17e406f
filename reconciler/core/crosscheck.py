"""Good files against each other: does what they name exist, and can they all be true at once?"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.core import (
    abilities,
    analyses,
    clusters,
    datasets,
    environments,
    kinds,
    masters,
    ordering,
    placement,
)
from reconciler.core.experiments import checks as experiments
from reconciler.core.projects import allowance
from reconciler.core.projects.windows import Window
from reconciler.core.promotions import checks as promotions
from reconciler.core.sources import Source, Tree
from registry.core import documents
from registry.core.documents import Problem


@dataclass(frozen=True, slots=True)
class Checked:
    """`hosts` has the target hosts of every deployment that may go on."""

    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    templates: dict[str, kinds.AcceptanceTemplate] = field(default_factory=dict)
    analyses: dict[str, kinds.AnalysisTemplate] = field(default_factory=dict)
    datasets: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    windows: dict[str, tuple[Window, ...]] = field(default_factory=dict)
    """Of those that have any."""
    experiments: dict[str, kinds.Experiment] = field(default_factory=dict)
    """By the deployments that they are about."""
    broken_experiments: frozenset[str] = frozenset()
    promotions: dict[str, kinds.Promotion] = field(default_factory=dict)
    """By the deployments that they lead to."""


@dataclass(frozen=True, slots=True)
class _Against:
    """All that a deployment is held against by itself. Sources are compared by identity: their
    documents say where they stand, and that must stay true."""

    hosts: tuple[tuple[str, int], ...]
    named: tuple[tuple[str, int], ...]
    broken: tuple[frozenset[str], ...]
    good: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Found:
    """What is wrong with a deployment by itself, and which hosts it is for."""

    source: Source[kinds.ModelDeployment]
    project: Source[kinds.Project] | None
    problems: tuple[Problem, ...]
    hosts: tuple[str, ...]
    windows: tuple[Window, ...]


class Checks:
    """What was found of each deployment by itself, kept while it and all that it is held against
    stay as they are. `checked` is how many were, the last time."""

    def __init__(self) -> None:
        self.checked = 0
        self._against: _Against | None = None
        self._kept: list[object] = []
        self._found: dict[str, _Found] = {}

    def check(self, tree: Tree, files: Mapping[str, bytes]) -> Checked:
        """What of `tree` stands, and what does not."""
        checked = Checked(problems=[*tree.problems, *allowance.defenceless(tree)])
        _check_templates(tree, files, checked)
        checked.analyses.update({name: source.kind for name, source in tree.analyses.items()})
        checked.held.update({key: tuple(one) for key, one in tree.broken_deployments.items()})
        before = self._begin(tree, checked)
        disorder, alone = ordering.problems(tree), _alone(tree)
        for key, source in tree.deployments.items():
            known, project = before.get(key), allowance.of(tree, source.kind)
            if known is None or known.source is not source or known.project is not project:
                problems = tuple(_problems(tree, checked, source))
                open_at = allowance.windows_of(project, source.kind)
                known = _Found(source, project, problems, _targets(tree, source.kind), open_at)
                self.checked += 1
            self._found[key] = known
            wrong = [*known.problems, *disorder.get(key, ()), *alone.get(key, ())]
            if wrong:
                _hold(checked, key, wrong)
            else:
                checked.hosts[key] = known.hosts
                if known.windows:
                    checked.windows[key] = known.windows
        _check_collisions(tree, checked)
        checked.promotions.update(promotions.good(tree, checked.hosts, checked.problems))
        return _with_experiments(tree, checked)

    def _begin(self, tree: Tree, checked: Checked) -> dict[str, _Found]:
        """What still stands of what was found before."""
        # As long as they are kept, no other object can have the same identity.
        named = (*tree.templates.items(), *tree.analyses.items(), *tree.secrets.items())
        kept = [*tree.hosts.values(), *(one for _, one in named)]
        broken = tree.broken_hosts, tree.broken_templates, tree.broken_projects, tree.broken_secrets
        against = _Against(
            tuple((name, id(source)) for name, source in tree.hosts.items()),
            tuple((name, id(one)) for name, one in named),
            tuple(map(frozenset, broken)),
            frozenset(checked.templates),
        )
        before = self._found if against == self._against else {}
        self._against, self._kept, self._found, self.checked = against, kept, {}, 0
        return before


def check(tree: Tree, files: Mapping[str, bytes]) -> Checked:
    """As `Checks.check`, where nothing is known from before."""
    return Checks().check(tree, files)


def _problems(
    tree: Tree, checked: Checked, source: Source[kinds.ModelDeployment]
) -> Iterator[Problem]:
    yield from allowance.problems(tree, source)
    yield from _target_problems(tree, source)
    yield from _template_problems(checked, source)
    targets = _known_targets(tree, source.kind)
    yield from abilities.lonely(source, targets)
    yield from _capacity_problems(tree, source)
    yield from clusters.problems(source, targets)
    yield from _strategy_problems(tree, source)
    yield from environments.problems(tree, source, targets)
    yield from abilities.untestable(source, targets, checked.templates)


def _check_templates(tree: Tree, files: Mapping[str, bytes], checked: Checked) -> None:
    for name, source in tree.templates.items():
        problem = datasets.problem(source, files)
        if problem is not None:
            checked.problems.append(problem)
            continue
        path = source.kind.spec.dataset.path
        checked.templates[name] = source.kind
        if path is not None:
            checked.datasets[path] = files[path]


def _target_problems(tree: Tree, source: Source[kinds.ModelDeployment]) -> Iterator[Problem]:
    targets = source.kind.spec.targets
    known = {*tree.hosts, *tree.broken_hosts}
    for index, host in enumerate(targets.hosts or []):
        at = ("spec", "targets", "hosts", index)
        name = f"spec.targets.hosts.{index}"
        if host not in known:
            fix = f"add models.d/hosts/{host}.yaml; {documents.did_you_mean(host, sorted(known))}"
            yield source.document.problem(at, f"{name}: there is no host {host!r}", fix=fix)
        elif targets.hosts and host in targets.hosts[:index]:
            yield source.document.problem(at, f"{name}: is listed twice", fix="remove one")
    if targets.is_by_labels and not _targets(tree, source.kind):
        field = "matchLabels" if targets.match_labels else "matchExpressions"
        own = allowance.hosts(tree, source.kind)
        small = any(targets.means(host.metadata.labels) for host in own.values())
        if small:
            message = f"spec.targets.{field}: no host that carries these has the capacity"
            fix = "raise spec.capacity of a host, or ask for less in spec.runtime.resources"
            yield source.document.problem(("spec", "targets", field), message, fix=fix)
            return
        fix = "give a host these labels, or name hosts with hosts: [...]"
        message = f"spec.targets.{field}: no host carries all of these"
        if len(own) < len(tree.hosts):
            message = f"spec.targets.{field}: no host of the project carries all of these"
        yield source.document.problem(("spec", "targets", field), message, fix=fix)


def _targets(tree: Tree, deployment: kinds.ModelDeployment) -> tuple[str, ...]:
    """A host whose file is broken stays a target by name; its labels cannot be known."""
    targets = deployment.spec.targets
    if targets.hosts is not None:
        return tuple(sorted(targets.hosts))
    demand = f"{deployment.metadata.project} {targets.model_dump_json()}"
    if targets.replicas is not None:
        # Here each deployment makes its own choice.
        meta, needed = deployment.metadata, deployment.spec.runtime
        demand += f"{meta.environment}/{meta.name} {needed.resources} {needed.replicas}"
    if demand not in tree.targets:
        tree.targets[demand] = placement.chosen(deployment, allowance.hosts(tree, deployment))
    return tree.targets[demand]


def _known_targets(tree: Tree, deployment: kinds.ModelDeployment) -> dict[str, kinds.Host]:
    """Target hosts whose files are good."""
    known = tree.hosts
    return {name: known[name].kind for name in _targets(tree, deployment) if name in known}


def _capacity_problems(tree: Tree, source: Source[kinds.ModelDeployment]) -> Iterator[Problem]:
    """What could not be there even alone."""
    for name, host in _known_targets(tree, source.kind).items():
        if said := placement.too_small(source.kind, host):
            message = f"spec.runtime.resources: {name} is too small for it: {said}"
            fix = f"raise spec.capacity in models.d/hosts/{name}.yaml, or ask for less"
            yield source.document.problem(("spec", "runtime", "resources"), message, fix=fix)


def _template_problems(
    checked: Checked, source: Source[kinds.ModelDeployment]
) -> Iterator[Problem]:
    for index, reference in enumerate(source.kind.spec.acceptance):
        if reference.template not in checked.templates:
            at = ("spec", "acceptance", index, "template")
            message = (
                f"spec.acceptance.{index}.template: there is no good template "
                f"{reference.template!r}"
            )
            fix = f"mend or add models.d/templates/{reference.template}.yaml"
            if reference.template in checked.analyses:
                fix = "that is an AnalysisTemplate, for a strategy: name an AcceptanceTemplate"
            yield source.document.problem(at, message, fix=fix)


def _strategy_problems(tree: Tree, source: Source[kinds.ModelDeployment]) -> Iterator[Problem]:
    """Its analyses are there and end; the hosts can do what it asks of them."""
    strategy = source.kind.spec.strategy
    for at, reference in strategy.analyses():
        place = ("spec", *at)
        found = list(analyses.problems(source, place, reference, tree))
        if not found and reference is not strategy.beside:
            found = list(analyses.endless(source, place, reference, tree))
        yield from found
    yield from abilities.problems(source, _known_targets(tree, source.kind))


def _alone(tree: Tree) -> dict[str, list[Problem]]:
    """What is asked of several hosts, of which nobody sees all, by deployment."""
    if not any(masters.is_own(source.kind) for source in tree.hosts.values()):
        return {}
    hosts = {key: _known_targets(tree, source.kind) for key, source in tree.deployments.items()}
    return {
        key: list(masters.problems(source, hosts[key], hosts))
        for key, source in tree.deployments.items()
    }


def _check_collisions(tree: Tree, checked: Checked) -> None:
    """Two deployments of one model on one host: neither may go on, both keep their state."""
    claims: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, hosts in checked.hosts.items():
        for host in hosts:
            claims[host, tree.deployments[key].kind.spec.model.name].append(key)
    collisions: dict[str, list[Problem]] = defaultdict(list)
    for (host, model), keys in claims.items():
        for key in keys if len(keys) > 1 else []:
            others = ", ".join(other for other in keys if other != key)
            message = f"spec.model.name: {others} also serves {model} on {host}"
            fix = "give them different models or different hosts"
            document = tree.deployments[key].document
            collisions[key].append(document.problem(("spec", "model", "name"), message, fix=fix))
    for key, problems in collisions.items():
        del checked.hosts[key]
        _hold(checked, key, problems)


def _with_experiments(tree: Tree, checked: Checked) -> Checked:
    """An experiment whose file is wrong goes on as it was, known by its name."""
    broken, strangers = set(tree.broken_experiments), allowance.strangers(tree)
    first = dict[str, str]()
    for name, source in sorted(tree.experiments.items()):
        key = source.kind.spec.deployment
        hosts = _known_targets(tree, tree.deployments[key].kind) if key in checked.hosts else None
        wrong = strangers.get(name) or [
            *experiments.problems(source, hosts, checked.hosts),
            *experiments.second(source, first.setdefault(key, name)),
        ]
        checked.problems.extend(wrong)
        if wrong:
            broken.add(name)
        else:
            checked.experiments[key] = source.kind
    return replace(checked, broken_experiments=frozenset(broken)) if broken else checked


def _hold(checked: Checked, key: str, problems: list[Problem]) -> None:
    checked.held[key] = tuple(problems)
    checked.problems.extend(problems)
