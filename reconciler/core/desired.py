"""Everything that Git asks for at one commit, checked file by file and then against each other.

A file with an error takes nothing else down. Its path alone says what it speaks of
(`models.d/<environment>/<name>.yaml` is the deployment `<environment>/<name>`), so that
deployment is *held*: it keeps its last state, is neither updated nor pruned, and its sync is
Unknown until the file is mended.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from reconciler.core import (
    asked,
    crosscheck,
    environments,
    gittrust,
    kinds,
    ordering,
    revision,
    sources,
)
from reconciler.core.following.target import Resolved
from reconciler.core.kinds.project import Roles
from reconciler.core.observed import InstanceSpec, Sticky
from reconciler.core.projects import doubts
from reconciler.core.projects.doubts import Doubts
from reconciler.core.projects.windows import Window
from reconciler.core.rollout import Pin
from reconciler.core.sets import expanding
from reconciler.core.strategies import program
from registry.core import policy
from registry.core.documents import Problem
from registry.core.policy import PolicySet

FOLDERS = ("models.d", policy.FOLDER)


class _Read:
    """Where a deployment keeps what its file asks for, the same for all hosts and commits."""

    __slots__ = ("_asked",)
    _asked: InstanceSpec


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment under way: so many percent of all users, told apart like that."""

    experiment: str
    percent: int
    sticky: Sticky


@dataclass(frozen=True, slots=True)
class Deployment(_Read):
    """One ModelDeployment with what it refers to.

    `revision` is a digest of what a rollout is about: model, runtime, acceptance tests with their
    data, and deadline. Quarantine is by revision: targets, strategy and labels do not lift it.
    `short` is how many hosts are too few for the number of them that is asked for. With a `pin` it
    is what a person holds it at, `pinned_from` what Git asks for. `windows` say when its rollouts
    may begin. Of what a set makes, `origin` says where in its file the version stands. With a
    `trial` it is at the treatment of an experiment. `kept` says why its file stays as it was,
    though Git has another one. `sealed` has the fingerprints of the secrets that it names.
    """

    key: str
    path: str
    manifest: kinds.ModelDeployment
    hosts: tuple[str, ...]
    templates: tuple[kinds.AcceptanceTemplate, ...]
    revision: str
    short: int = 0
    pin: Pin | None = None
    pinned_from: "Deployment | None" = None
    windows: tuple[Window, ...] = ()
    origin: sources.Origin | None = None
    trial: Trial | None = None
    kept: str = ""
    roles: Roles | None = None
    sealed: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_made(self) -> bool:
        """Whether a set makes it."""
        return self.path != f"models.d/{self.key}.yaml"

    @property
    def program(self) -> program.Program:
        """The steps of its rollouts."""
        strategy = self.manifest.spec.strategy
        if self.trial is None:
            return program.compiled(strategy)
        delay = strategy.scale_down_delay_seconds
        return program.observing(self.trial.percent, self.trial.sticky, delay)

    @property
    def anywhere(self) -> InstanceSpec:
        """The instance that should serve, on no host and for no commit yet."""
        try:
            return self._asked
        except AttributeError:
            found = asked.spec(self.manifest, self.key, host="", commit="", sealed=self.sealed)
            object.__setattr__(self, "_asked", found)
            return found

    def spec_on(self, host: str, commit: str) -> InstanceSpec:
        """The instance that should serve on `host`."""
        return self.anywhere.on(host, commit)

    def asking_for(self, spec: InstanceSpec) -> Self:
        """The same, were the version of `spec` what its file asks for."""
        before = self.manifest.spec
        reference = {"name": spec.model, "version": spec.version, "digest": spec.digest}
        model = before.model.model_copy(update=reference)
        whole = before.model_copy(update={"model": model})
        manifest = self.manifest.model_copy(update={"spec": whole})
        about = revision.of(manifest, self.templates, self.sealed)
        return replace(self, manifest=manifest, revision=about)


@dataclass(frozen=True, slots=True)
class DesiredState:
    """One commit. `held` maps deployments that keep their last state to the reasons why.

    `experiments` are by the deployments that they are about, `promotions` by those they lead to;
    of `broken_experiments` only names are known. `datasets` holds the golden data of all templates
    by path, `analyses` the analyses by name. `allow_empty` says whether a commit without any
    deployment may prune everything. `provenance` says who signed the commit, `refused` is the
    newer one that Git has and that changes nothing. `elsewhere` are the deployments that other
    reconcilers look after. `sync_waves` has those of each environment in which they differ. `away`
    are the hosts that agents look after, `remote` those among the targets of each deployment;
    `proposes`: reverts go to Git, `has_forge`: as pull requests. `kept` says by path why files
    stay as they were, `doubts` what is not removed now. `followed` is what the registry says of
    what deployments follow; Git has nothing of it. `secrets` are the encrypted
    files.
    """

    commit: str
    deployments: Mapping[str, Deployment]
    hosts: Mapping[str, kinds.Host]
    policies: PolicySet
    policy_tests: Mapping[str, kinds.PolicyTest] = field(default_factory=dict)
    datasets: Mapping[str, bytes] = field(default_factory=dict)
    analyses: Mapping[str, kinds.AnalysisTemplate] = field(default_factory=dict)
    projects: Mapping[str, kinds.Project] = field(default_factory=dict)
    experiments: Mapping[str, kinds.Experiment] = field(default_factory=dict)
    broken_experiments: frozenset[str] = frozenset()
    promotions: Mapping[str, kinds.Promotion] = field(default_factory=dict)
    followed: Mapping[str, Resolved] = field(default_factory=dict)
    held: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    allow_empty: bool = False
    has_forge: bool = False
    provenance: gittrust.Provenance = gittrust.UNSIGNED
    refused: gittrust.Refused | None = None
    elsewhere: frozenset[str] = frozenset()
    sync_waves: Mapping[str, ordering.Waves] = field(default_factory=dict)
    away: frozenset[str] = frozenset()
    remote: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    proposes: bool = True
    kept: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    doubts: Doubts = doubts.NONE

    @property
    def is_empty(self) -> bool:
        """Whether Git asks for nothing at all."""
        return not (self.deployments or self.held)

    @property
    def made(self) -> dict[str, list[str]]:
        """What sets make, by their files."""
        found: dict[str, list[str]] = {}
        for key, one in sorted(self.deployments.items()):
            if one.is_made:
                found.setdefault(one.path, []).append(key)
        return found

    @property
    def may_prune(self) -> bool:
        """Whether no file that is wrong might be one that was moved or renamed."""
        return not self.doubts.projects


class Reader:
    """Reads one commit after the other, and of each what differs from the one before. What is the
    same is the same object."""

    def __init__(self) -> None:
        self.shelf = sources.Shelf()
        self.sets = expanding.Sets()
        self.checks = crosscheck.Checks()
        self._deployments: dict[str, Deployment] = {}
        self._kept: dict[str, str] = {}

    def load(
        self,
        files: Mapping[str, bytes],
        *,
        commit: str,
        allow_empty: bool = False,
        kept: Mapping[str, str] | None = None,
    ) -> DesiredState:
        """All of `files` (paths under `FOLDERS`, from the repository's root) as one desired state.

        Never raises for a bad file: what is wrong is in `problems`. `kept` says why some of these
        stay as they were, though the commit has other ones.
        """
        tree = self.shelf.read(files)
        self.sets.expand(tree)
        self._kept = dict(kept or {})
        checked = self.checks.check(tree, files)
        self._deployments = {key: self._deployment(tree, checked, key) for key in checked.hosts}
        problems = sorted(checked.problems, key=lambda problem: (problem.path, problem.line))
        return DesiredState(
            commit=commit,
            deployments=self._deployments,
            hosts={name: source.kind for name, source in tree.hosts.items()},
            policies=tree.policies.policies,
            policy_tests=tree.policies.tests,
            datasets=checked.datasets,
            analyses=checked.analyses,
            projects={name: source.kind for name, source in tree.projects.items()},
            experiments=checked.experiments,
            broken_experiments=checked.broken_experiments,
            promotions=checked.promotions,
            held=checked.held,
            problems=tuple(problems),
            allow_empty=allow_empty,
            sync_waves=ordering.sync_waves(tree),
            kept=self._kept,
            secrets=tree.sealed,
            doubts=doubts.of((one.kind for one in tree.projects.values()), problems),
        )

    def _deployment(self, tree: sources.Tree, checked: crosscheck.Checked, key: str) -> Deployment:
        found = self._of_files(tree, checked, key)
        why = self._kept.get(found.path, "")
        return found if found.kept == why else replace(found, kept=why)

    def _of_files(self, tree: sources.Tree, checked: crosscheck.Checked, key: str) -> Deployment:
        source, origin = tree.deployments[key], tree.origins.get(key)
        known, hosts = self._deployments.get(key), checked.hosts[key]
        if known is None or known.manifest is not source.kind or known.hosts != hosts:
            return _deployment(tree, checked, key)
        is_moved = known.windows != checked.windows.get(key, ()) or known.origin != origin
        is_moved = is_moved or known.sealed != environments.fingerprints(tree, source.kind)
        if is_moved or known.roles is not _roles(tree, source.kind):
            return _deployment(tree, checked, key)
        named = (checked.templates[one.template] for one in source.kind.spec.acceptance)
        is_same = all(map(operator.is_, known.templates, named))
        return known if is_same else _deployment(tree, checked, key)


def load(
    files: Mapping[str, bytes],
    *,
    commit: str,
    allow_empty: bool = False,
    kept: Mapping[str, str] | None = None,
) -> DesiredState:
    """As `Reader.load`, where nothing is known from before."""
    return Reader().load(files, commit=commit, allow_empty=allow_empty, kept=kept)


def _deployment(tree: sources.Tree, checked: crosscheck.Checked, key: str) -> Deployment:
    source = tree.deployments[key]
    templates = tuple(
        checked.templates[reference.template] for reference in source.kind.spec.acceptance
    )
    sealed = environments.fingerprints(tree, source.kind)
    return Deployment(
        key=key,
        path=source.path,
        manifest=source.kind,
        hosts=checked.hosts[key],
        templates=templates,
        revision=revision.of(source.kind, templates, sealed),
        short=max(0, (source.kind.spec.targets.replicas or 0) - len(checked.hosts[key])),
        windows=checked.windows.get(key, ()),
        origin=tree.origins.get(key),
        roles=_roles(tree, source.kind),
        sealed=sealed,
    )


def _roles(tree: sources.Tree, manifest: kinds.ModelDeployment) -> Roles | None:
    project = tree.projects.get(manifest.metadata.project)
    return None if project is None else project.kind.spec.roles
