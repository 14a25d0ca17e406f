"""Whose change to a file comes into force: the rule, without Git. Pure.

Projects claim files and name their authors. New commits are followed from the one in force on, each
by who signed it: what somebody changes who may not change that file stays as it was, and the rest
goes on. Authors are those that projects name *before* a commit, so nobody lets themselves in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from reconciler.core.kinds import Project
from reconciler.core.kinds.deployment import DEFAULT_PROJECT
from reconciler.core.projects import globs

PROJECTS = "models.d/projects/"
# These speak of everybody's, so no project can have them for its own.
_OF_ALL = (PROJECTS, "models.d/hosts/", "policies/")


@dataclass(frozen=True, slots=True)
class Kept:
    """A file as it stays in force, empty where there is none, and which change to it does not come.

    `why` says who made the change and who may.
    """

    blob: str
    commit: str
    why: str


NOTHING_KEPT: Mapping[str, Kept] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Step:
    """One new commit: who signed it (empty: nobody known), and all its files by their blobs."""

    id: str
    parents: tuple[str, ...]
    signer: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class History:
    """New commits, parents first; `last` is in force, with what was kept then. `older` has the
    files of commits before `last` that new ones go on from."""

    last: str
    files: Mapping[str, str]
    kept: Mapping[str, Kept]
    steps: Sequence[Step]
    older: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Owners:
    """Who may change what. `everybody` are the authors of the default project, whose is all that no
    other claims; None is anybody."""

    everybody: frozenset[str] | None
    claims: tuple[tuple[tuple[str, ...], frozenset[str] | None], ...]

    @property
    def is_anybody(self) -> bool:
        """Whether there is nobody who may not change something."""
        return self.everybody is None and all(authors is None for _, authors in self.claims)

    def of(self, path: str) -> frozenset[str] | None:
        """Who may change `path`: an author of every project that claims it; None for anybody."""
        listed = [
            self.everybody if authors is None else authors
            for files, authors in self.claims
            if not path.startswith(_OF_ALL) and globs.any_fits(files, path)
        ]
        named = [authors for authors in listed or [self.everybody] if authors is not None]
        return frozenset.intersection(*named) if named else None


def owners(projects: Iterable[Project]) -> Owners:
    """As `projects` say it."""
    everybody, claims = None, []
    for project in projects:
        authors = None if project.spec.authors is None else frozenset(project.spec.authors)
        if project.metadata.name == DEFAULT_PROJECT:
            everybody = authors
        elif project.spec.files:
            claims.append((tuple(project.spec.files), authors))
    return Owners(everybody, tuple(claims))


def judge(
    history: History,
    owners_of: Callable[[Mapping[str, str]], Owners],
    is_sound: Callable[[str, str], bool],
) -> dict[str, Kept]:
    """What stays as it was at the newest commit. `owners_of` reads project files, by path and blob;
    one that is not sound never comes into force, for it would be nobody's rule any more."""
    walk = _Walk(history, owners_of, is_sound)
    for step in history.steps:
        walk.take(step)
    return walk.kept(history.steps[-1])


class _Walk:
    """`changed` has, by commit, what came into force since `last`, as blobs by path; `line` are the
    commits that go on from it."""

    def __init__(
        self,
        history: History,
        owners_of: Callable[[Mapping[str, str]], Owners],
        is_sound: Callable[[str, str], bool],
    ) -> None:
        self._owners_of, self._is_sound = owners_of, is_sound
        self._files = {history.last: history.files, **history.older}
        self._before = {**history.files, **{path: one.blob for path, one in history.kept.items()}}
        self._refused = dict(history.kept)
        self._changed: dict[str, dict[str, str]] = {history.last: {}}
        self._line = {history.last}

    def take(self, step: Step) -> None:
        """What `step` changes, against its first parent that goes on from what is in force."""
        self._files[step.id] = step.files
        lines = [parent for parent in step.parents if parent in self._line]
        if lines:
            self._line.add(step.id)
        base = next(iter([*lines, *step.parents]), "")
        # What an older commit has is no news: it counts as what is in force.
        found = dict(self._changed.get(base, {}))
        owners = self._owners_of(self._projects(found))
        sides = [self._changed.get(one, {}) for one in step.parents if one != base]
        for path in _differing(self._files.get(base, {}), step.files):
            blob = step.files.get(path, "")
            merged = any(side.get(path) == blob for side in sides)
            why = "" if merged else self._why_not(step, owners.of(path), path, blob)
            if why:
                self._refused[path] = Kept("", step.id, why)
            else:
                found[path] = blob
        self._changed[step.id] = found

    def kept(self, head: Step) -> dict[str, Kept]:
        """Where what is in force is not what the newest commit has."""
        now = {**self._before, **self._changed[head.id]}
        return {
            path: replace(self._refused[path], blob=now.get(path, ""))
            for path in sorted(now.keys() | head.files.keys())
            if now.get(path, "") != head.files.get(path, "") and path in self._refused
        }

    def _projects(self, changed: Mapping[str, str]) -> dict[str, str]:
        now = {**self._before, **changed}
        return {path: blob for path, blob in now.items() if path.startswith(PROJECTS) and blob}

    def _why_not(self, step: Step, may: frozenset[str] | None, path: str, blob: str) -> str:
        """Why this commit does not change `path`; empty where it does."""
        if may is not None and step.signer not in may:
            who = step.signer or "nobody who is known"
            names = " and ".join(sorted(may)) or "nobody"
            return (
                f"commit {step.id[:12]}, signed by {who}, changes a file that only {names} may "
                "change"
            )
        if path.startswith(PROJECTS) and blob and not self._is_sound(path, blob):
            return f"commit {step.id[:12]} makes it a file that cannot be read"
        return ""


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
