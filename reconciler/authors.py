"""Which changes to files do not come into force, since who signed them may not make them.

Only where a project names authors. Signatures are looked at in every mode that has any; without
Git trust nobody is known, and so nobody is an author.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from reconciler import repo, signatures
from reconciler.core import authorship, desired, kinds, sources
from reconciler.core.authorship import History, Kept, Owners, Step
from reconciler.core.gitobject import Commit
from reconciler.core.gittrust import Bad, Good, Mode, Rules
from reconciler.core.proposed import Blob
from registry import errors

_FILE_LIMIT = 256 << 10
_NOT_REGULAR = "!"


def kept(
    repository: repo.Repository,
    seen: signatures.Signatures,
    rules: Rules,
    *,
    head: str,
    last: str,
    before: Mapping[str, Kept],
) -> dict[str, Kept]:
    """What stays as it was at `head`, after `last` was in force with `before`."""
    files, newest = _files(repository, last), _files(repository, head)
    reader = _Reader(repository)
    owned = [{**files, **{path: one.blob for path, one in before.items()}}, newest]
    if all(reader.owners(_projects(one)).is_anybody for one in owned):
        return {}
    news = _in_order(repository.news(head, last))
    mine = {one.id for one in news}
    steps = [
        Step(one.id, one.parents, _signer(seen, rules, one), _files(repository, one.id))
        for one in news
    ]
    outside = {parent for one in news for parent in one.parents} - mine - {last}
    older = {commit: _files(repository, commit) for commit in outside}
    history = History(last, files, before, steps, older)
    return authorship.judge(history, reader.owners, reader.is_sound)


def in_force(blobs: Sequence[Blob], kept: Mapping[str, Kept]) -> list[Blob]:
    """The files of a commit, but for those that stay as they were."""
    found = {blob.path: blob for blob in blobs} | {
        path: Blob(path, one.blob.removeprefix(_NOT_REGULAR), not one.blob.startswith(_NOT_REGULAR))
        for path, one in kept.items()
    }
    return [found[path] for path in sorted(found) if found[path].id]


class _Reader:
    """Project files by their blobs."""

    def __init__(self, repository: repo.Repository) -> None:
        self._repository = repository
        self._owners: dict[tuple[tuple[str, str], ...], Owners] = {}

    def owners(self, projects: Mapping[str, str]) -> Owners:
        key = tuple(sorted(projects.items()))
        if key not in self._owners:
            found = [self._project(path, blob) for path, blob in key]
            self._owners[key] = authorship.owners(one for one in found if one is not None)
        return self._owners[key]

    def is_sound(self, path: str, blob: str) -> bool:
        return not path.endswith((".yaml", ".yml")) or self._project(path, blob) is not None

    def _project(self, path: str, blob: str) -> kinds.Project | None:
        if blob.startswith(_NOT_REGULAR) or not path.endswith((".yaml", ".yml")):
            return None
        try:
            data = self._repository.read(Blob(path, blob, regular=True), limit=_FILE_LIMIT)
        except errors.TooLarge:
            return None
        found = sources.parse(path, data)
        is_one = isinstance(found, sources.Source) and isinstance(found.kind, kinds.Project)
        return cast("sources.Source[kinds.Project]", found).kind if is_one else None


def _projects(files: Mapping[str, str]) -> dict[str, str]:
    return {path: at for path, at in files.items() if path.startswith(authorship.PROJECTS) and at}


def _files(repository: repo.Repository, commit: str) -> dict[str, str]:
    return {
        blob.path: blob.id if blob.regular else f"{_NOT_REGULAR}{blob.id}"
        for blob in repository.list(commit, desired.FOLDERS)
    }


def _signer(seen: signatures.Signatures, rules: Rules, commit: Commit) -> str:
    if rules.mode is Mode.NONE:
        return ""
    match seen.verdict(commit):
        case Good() as good:
            return rules.signer(good) or ""
        case Bad():
            return ""


def _in_order(commits: Sequence[Commit]) -> list[Commit]:
    """Parents first."""
    left, found = {commit.id for commit in commits}, list[Commit]()
    waiting = list(reversed(commits))
    while waiting:
        late: list[Commit] = []
        for one in waiting:
            if left.isdisjoint(one.parents):
                found.append(one)
                left.remove(one.id)
            else:
                late.append(one)
        waiting = late
    return found
