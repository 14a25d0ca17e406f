"""The commits of pull requests: fetched into a clone of their own, merged on paper, read as data.

What a request comes from may be anybody's: nothing of it is checked out or run, and its files are
bounded in number and size. What is reviewed is not the request's own tree but what merging it
would make, so that it never seems to undo what came to the branch meanwhile.
"""

from dataclasses import dataclass

import git

from reconciler import repo, source
from reconciler.core import desired
from reconciler.core.review import Side
from registry import errors

_TIME_LIMIT_S = 60
_FILES = 50_000
_CONFLICTS = 1


@dataclass(frozen=True, slots=True)
class Conflict:
    """It cannot be merged as it is: in these files."""

    paths: tuple[str, ...]


class Heads(repo.Repository):
    """The followed branch, and what is to be merged into it. Used by one thread."""

    def tips(self, refs: list[str]) -> dict[str, str]:
        """The newest commit of each of `refs` that is there, in one question; fetches nothing."""
        with self._failures(f"list {len(refs)} refs of {self.url}"):
            self._prepare()
            listed = self._runner().ls_remote(self.url, *refs, kill_after_timeout=_TIME_LIMIT_S)
        pairs = (line.split("\t", 1) for line in str(listed).splitlines())
        return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}

    def bring(self, ref: str) -> str:
        """The newest commit of `ref`, here."""
        with self._failures(f"fetch {ref} from {self.url}"):
            self._prepare()
            runner = self._runner()
            runner.fetch("--quiet", "--no-tags", self.url, ref, kill_after_timeout=_TIME_LIMIT_S)
            return str(runner.rev_parse("--verify", "FETCH_HEAD^{commit}"))

    def brings(self, head: str, last: str, *, most: int) -> int:
        """How many commits of `head` are new to `last`; no more than `most` are counted."""
        with self._failures(f"count what is new since {last[:12]}"):
            return len(self._runner().rev_list(f"--max-count={most}", head, f"^{last}").split())

    def merged(self, base: str, head: str) -> str | Conflict:
        """The tree that merging `head` into `base` would make; neither is changed."""
        with self._failures(f"merge {head[:12]} into {base[:12]} on paper"):
            runner = self._runner()
            try:
                return str(runner.merge_tree("--write-tree", base, head)).split()[0]
            except git.GitCommandError as error:
                if error.status != _CONFLICTS:
                    raise
            names = runner.execute(
                ["git", "merge-tree", "--write-tree", "--name-only", "--no-messages", base, head],
                with_exceptions=False,
            )
            return Conflict(tuple(sorted(set(str(names).splitlines()[1:]))))

    def files(self, tree: str) -> dict[str, bytes]:
        """All that desired state is made of in `tree`."""
        found = []
        for blob in self._walk(tree, "", tuple(desired.FOLDERS)):
            found.append(blob)
            if len(found) > _FILES:
                raise errors.TooLarge(
                    f"there are more than {_FILES} files of desired state",
                    fix="keep large data out of Git: push it to the registry",
                )
        return source.contents(self, sorted(found, key=lambda blob: blob.path))


class Sides:
    """States by their trees, read by one reader: what is the same in two is the same object."""

    def __init__(self, heads: Heads, *, kept: int = 64) -> None:
        self._heads = heads
        self._reader = desired.Reader()
        self._known: dict[str, Side] = {}
        self._kept = kept

    def at(self, tree: str, commit: str) -> Side:
        """What `tree` asks for, as of `commit`."""
        found = self._known.pop(tree, None)
        if found is None:
            files = self._heads.files(tree)
            found = Side(self._reader.load(files, commit=commit), files)
        self._known[tree] = found
        while len(self._known) > self._kept:
            del self._known[next(iter(self._known))]
        return found
