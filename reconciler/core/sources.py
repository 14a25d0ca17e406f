"""Files to kinds, one by one: what each file is follows from its path, and must agree with it."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeAlias, TypeVar, cast

from reconciler.core import kinds
from registry.core import documents, policy, reading
from registry.core.documents import Document, Path, Problem, Words

K = TypeVar("K", bound=kinds.Kind)

RESERVED = {"hosts", "templates", "projects", "sets", "experiments", "promotions", "secrets"}
TEMPLATE: Path = ("spec", "template")
_DATA_FOLDER = "models.d/datasets/"
_POLICIES = f"{policy.FOLDER}/"
_NAMED = re.compile(r"models\.d/(?P<folder>[^/]+)/(?P<name>[^/]+)\.yaml")
_LAYOUT = (
    "put it in models.d/<environment>/<name>.yaml, models.d/hosts/<name>.yaml, "
    "models.d/templates/<name>.yaml, models.d/projects/<name>.yaml, models.d/sets/<name>.yaml, "
    "models.d/experiments/<name>.yaml, models.d/promotions/<name>.yaml, "
    "models.d/secrets/<name>.yaml or policies/<area>/<name>.yaml"
)


@dataclass(frozen=True, slots=True)
class Made:
    """What a set makes for one element: its words stand in the template of the set's file."""

    path: str
    data: bytes
    element: str

    def problem(self, at: Path, message: str, *, fix: str = "", key: bool = False) -> Problem:
        """A problem with the value (or key) at `at`, told with the element."""
        words = Words(self.path, self.data)
        return self.told(words.problem((*TEMPLATE, *at), message, fix=fix, key=key))

    def told(self, problem: Problem) -> Problem:
        """`problem`, with the element."""
        return replace(problem, message=f"{problem.message} (for the element {self.element})")


@dataclass(frozen=True, slots=True)
class Source(Generic[K]):
    """One good file, or what a set makes."""

    document: Words | Made
    kind: K

    @property
    def path(self) -> str:
        """Where it stands."""
        return self.document.path


Parsed: TypeAlias = Source[kinds.Kind] | tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a set's file has the version and the digest of a deployment that it makes.

    In a `row` of a list, under the parameters `version` and `digest`; with an empty row, in the
    template itself. `is_shared` where other deployments have them from there too.
    """

    row: tuple[tuple[str, bool | int | float | str], ...]
    version: str
    digest: str
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """All files. What could not be read is known by its path alone, in the `broken_` sets."""

    deployments: dict[str, Source[kinds.ModelDeployment]] = field(default_factory=dict)
    hosts: dict[str, Source[kinds.Host]] = field(default_factory=dict)
    templates: dict[str, Source[kinds.AcceptanceTemplate]] = field(default_factory=dict)
    analyses: dict[str, Source[kinds.AnalysisTemplate]] = field(default_factory=dict)
    projects: dict[str, Source[kinds.Project]] = field(default_factory=dict)
    sets: dict[str, Source[kinds.ModelDeploymentSet]] = field(default_factory=dict)
    origins: dict[str, Origin | None] = field(default_factory=dict)
    """Of deployments that sets make; None where version and digest are not from one place."""
    experiments: dict[str, Source[kinds.Experiment]] = field(default_factory=dict)
    promotions: dict[str, Source[kinds.Promotion]] = field(default_factory=dict)
    secrets: dict[str, Source[kinds.Secret]] = field(default_factory=dict)
    policies: policy.Found = field(default_factory=lambda: policy.read({}))
    broken_deployments: dict[str, list[Problem]] = field(default_factory=dict)
    broken_hosts: set[str] = field(default_factory=set)
    broken_templates: set[str] = field(default_factory=set)
    broken_projects: set[str] = field(default_factory=set)
    broken_experiments: set[str] = field(default_factory=set)
    broken_secrets: set[str] = field(default_factory=set)
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By what is demanded of labels: the same for thousands of deployments."""
    own_hosts: dict[str, dict[str, kinds.Host]] = field(default_factory=dict)
    """The good hosts of each project, likewise."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def sealed(self) -> dict[str, bytes]:
        """The good files of secrets, by their names."""
        return {name: source.document.data for name, source in self.secrets.items()}


class Shelf:
    """The files of the last commit that was read; of the next one only what differs is."""

    def __init__(self) -> None:
        self.parsed = 0
        self._known: dict[str, tuple[bytes, Parsed]] = {}

    def read(self, files: Mapping[str, bytes]) -> Tree:
        """Every YAML file among `files`; others are data or prose, and left alone."""
        found = policy.read({path: files[path] for path in files if path.startswith(_POLICIES)})
        tree = Tree(policies=found, problems=list(found.problems))
        before, self._known, self.parsed = self._known, {}, 0
        for path in sorted(files):
            if path.startswith((_DATA_FOLDER, _POLICIES)) or not path.endswith((".yaml", ".yml")):
                continue
            data = files[path]
            known = before.get(path)
            if known is None or known[0] != data:
                known = data, parse(path, data)
                self.parsed += 1
            self._known[path] = known
            _shelve(tree, path, known[1])
        return tree


def read(files: Mapping[str, bytes]) -> Tree:
    """As `Shelf.read`, where nothing is known from before."""
    return Shelf().read(files)


def _shelve(tree: Tree, path: str, parsed: Parsed) -> None:
    if isinstance(parsed, Source):
        _add(tree, parsed)
    else:
        tree.problems.extend(parsed)
        _add_broken(tree, path, parsed)


@functools.lru_cache(maxsize=1024)
def parse(path: str, data: bytes) -> Parsed:
    """One file."""
    document = documents.read(path, data)
    if isinstance(document, Problem):
        return (_discreet(document),)
    kind = kinds.read(document)
    if isinstance(kind, tuple):
        return kind
    wrong = _misplaced(document, kind)
    return (wrong,) if wrong else Source(Words(path, data), kind)


def _discreet(problem: Problem) -> Problem:
    """What a parser says of a file of secrets may repeat a piece of it."""
    if not problem.path.startswith(f"{kinds.Secret.folder}/"):
        return problem
    fix = "encrypt the file anew with `plimsoll secrets encrypt`, and change what Git has of it"
    return replace(problem, message="this is not an encrypted file of secrets", fix=fix)


def _misplaced(document: Document, kind: kinds.Kind) -> Problem | None:
    match kind:
        case kinds.ModelDeployment():
            return _misplaced_deployment(document, kind)
        case (
            kinds.Host()
            | kinds.AcceptanceTemplate()
            | kinds.AnalysisTemplate()
            | kinds.ModelDeploymentSet()
            | kinds.Project()
            | kinds.Experiment()
            | kinds.Promotion()
            | kinds.Secret()
        ):
            return reading.misnamed(document, f"{kind.folder}/{kind.metadata.name}.yaml")
        case kinds.Policy() | kinds.PolicyTest():
            return document.problem((), "the file does not belong here", fix=_LAYOUT)


def _misplaced_deployment(document: Document, kind: kinds.ModelDeployment) -> Problem | None:
    found = _NAMED.fullmatch(document.path)
    if found is None or found["folder"] in RESERVED:
        return document.problem((), "a ModelDeployment does not belong here", fix=_LAYOUT)
    folder, environment = found["folder"], kind.metadata.environment
    if environment != folder:
        at = ("metadata", "environment")
        message = f"metadata.environment: is {environment}, but the folder is {folder}"
        fix = f"write environment: {folder}, or move the file to models.d/{environment}/"
        return document.problem(at, message, fix=fix)
    return reading.misnamed(document, f"models.d/{folder}/{kind.metadata.name}.yaml")


def _add(tree: Tree, source: Source[kinds.Kind]) -> None:  # noqa: C901  an arm a kind
    """Each as it is: who sees the same object at the next commit knows that nothing changed."""
    match source.kind:
        case kinds.ModelDeployment() as kind:
            key = f"{kind.metadata.environment}/{kind.metadata.name}"
            tree.deployments[key] = cast("Source[kinds.ModelDeployment]", source)
        case kinds.Host() as kind:
            tree.hosts[kind.metadata.name] = cast("Source[kinds.Host]", source)
        case kinds.AcceptanceTemplate() as kind:
            tree.templates[kind.metadata.name] = cast("Source[kinds.AcceptanceTemplate]", source)
        case kinds.AnalysisTemplate() as kind:
            tree.analyses[kind.metadata.name] = cast("Source[kinds.AnalysisTemplate]", source)
        case kinds.ModelDeploymentSet() as kind:
            tree.sets[kind.metadata.name] = cast("Source[kinds.ModelDeploymentSet]", source)
        case kinds.Project() as kind:
            tree.projects[kind.metadata.name] = cast("Source[kinds.Project]", source)
        case kinds.Experiment() as kind:
            tree.experiments[kind.metadata.name] = cast("Source[kinds.Experiment]", source)
        case kinds.Promotion() as kind:
            tree.promotions[kind.metadata.name] = cast("Source[kinds.Promotion]", source)
        case kinds.Secret() as kind:
            tree.secrets[kind.metadata.name] = cast("Source[kinds.Secret]", source)
        case kinds.Policy() | kinds.PolicyTest():
            return


def _add_broken(  # noqa: C901  an arm a kind
    tree: Tree, path: str, problems: tuple[Problem, ...]
) -> None:
    found = _NAMED.fullmatch(path)
    if found is None:
        return
    match found["folder"]:
        case "hosts":
            tree.broken_hosts.add(found["name"])
        case "templates":
            tree.broken_templates.add(found["name"])
        case "projects":
            tree.broken_projects.add(found["name"])
        case "promotions":
            return  # nothing is promoted until it is mended
        case "sets":
            return  # what it made is known to nobody now; `may_prune` keeps it
        case "experiments":
            tree.broken_experiments.add(found["name"])
        case "secrets":
            tree.broken_secrets.add(found["name"])
        case environment:
            tree.broken_deployments[f"{environment}/{found['name']}"] = list(problems)
