"""The Git repository of desired state: fetched, read at one commit, and proposed to.

Reads objects straight from a bare clone, so nothing from the repository is ever checked out or
run, and each object is compared with its id. The clone is a cache: a broken one is thrown away
and cloned again. Git runs with prompts off and a time limit, without grafts and replacements;
every failure is `errors.GitUnavailable`, and bytes that lie are `errors.CommitRefused`.
"""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import git

from reconciler import clone, git_reasons, objects
from reconciler.core import gitobject
from reconciler.core.proposed import Blob, Proposal
from registry import errors

__all__ = ["Blob", "Proposal", "Repository"]

_TIME_LIMIT_S = 60
_CACHED_BLOBS = 4096
_CACHED_TREES = 4096
_FOLDER = "40000"
_REGULAR = frozenset({"100644", "100755"})
_BRANCHES = "refs/heads/"
_HEAD = "refs/plimsoll/head"
_IN_FORCE = "refs/plimsoll/in-force"
# How Git and its servers say that a branch has moved meanwhile; a lock that is in the way is none.
_MOVED = ("fetch first", "non-fast-forward", "but expected", "already exists", "stale info")


class Repository:
    """One branch of one remote, in a bare clone under `folder`.

    `signing_key` is the SSH key that signs what is pushed, where there is one.
    """

    def __init__(
        self,
        url: str,
        *,
        branch: str,
        folder: Path,
        author: tuple[str, str],
        signing_key: Path | None = None,
    ) -> None:
        self.url = url
        self.branch = branch
        self.address = author[1]
        self._folder = folder
        self._author = author
        self._signing_key = signing_key
        self._contents: dict[str, bytes] = {}
        self._trees: dict[str, list[gitobject.TreeItem]] = {}

    def fetch(self) -> str:
        """The newest commit of the branch."""
        with self._failures(f"fetch {self.branch} from {self.url}"):
            self._prepare()
            runner = self._runner()
            try:
                self._fetch(runner)
            except git.GitCommandError as error:
                if not clone.is_broken(str(error.stderr)):
                    raise
                shutil.rmtree(self._folder)
                self._prepare()
                self._fetch(runner)
            return str(runner.rev_parse("--verify", f"{_HEAD}^{{commit}}"))

    def known(self) -> str | None:
        """The commit that was fetched last, also by an earlier run; None before the first."""
        if not (self._folder / "HEAD").exists():
            return None
        try:
            return str(self._runner().rev_parse("--verify", "--quiet", f"{_HEAD}^{{commit}}"))
        except git.GitCommandError:
            return None

    def commit(self, commit: str) -> gitobject.Commit:
        """The commit itself; raises `CommitRefused` where its bytes are not those of its id."""
        with self._failures(f"read commit {commit[:12]}"):
            data = objects.bytes_of(self._runner(), "cat-file", "commit", commit)
        return gitobject.commit(commit, gitobject.require("commit", data, commit))

    def descends(self, commit: str, last: str) -> bool:
        """Whether `commit` goes on from `last`; not where `last` is not here any more."""
        try:
            self._runner().merge_base("--is-ancestor", last, commit)
        except git.GitCommandError:
            return False
        return True

    def news(self, commit: str, last: str) -> list[gitobject.Commit]:
        """All that `commit` brings which `last` did not have, the side branches of merges too."""
        with self._failures(f"list what is new since {last[:12]}"):
            listed = self._runner().rev_list(commit, f"^{last}").split()
        return [self.commit(one) for one in listed]

    def keep(self, commit: str) -> None:
        """Let Git never throw `commit` away, whatever happens to the branch."""
        with self._failures(f"keep {commit[:12]}"):
            clone.past_locks(self._folder, lambda: self._runner().update_ref(_IN_FORCE, commit))

    def list(self, commit: str, folders: Sequence[str]) -> list[Blob]:
        """Every file under `folders` at `commit`, by path; each tree is checked against its id."""
        found = self._walk(self.commit(commit).tree, "", tuple(folders))
        return sorted(found, key=lambda blob: blob.path)

    def _walk(self, tree: str, above: str, folders: tuple[str, ...]) -> Iterator[Blob]:
        for item in self._tree(tree):
            path = f"{above}{item.name}"
            is_inside = any(path == one or path.startswith(f"{one}/") for one in folders)
            if item.mode == _FOLDER:
                if is_inside or any(one.startswith(f"{path}/") for one in folders):
                    yield from self._walk(item.id, f"{path}/", folders)
            elif is_inside:
                yield Blob(path, item.id, item.mode in _REGULAR)

    def _tree(self, tree: str) -> Sequence[gitobject.TreeItem]:
        if tree not in self._trees:
            with self._failures(f"read tree {tree[:12]}"):
                data = objects.bytes_of(self._runner(), "cat-file", "tree", tree)
            if len(self._trees) >= _CACHED_TREES:
                self._trees.clear()
            self._trees[tree] = gitobject.tree(tree, gitobject.require("tree", data, tree))
        return self._trees[tree]

    def read(self, blob: Blob, *, limit: int) -> bytes:
        """The content of `blob`; raises `TooLarge` beyond `limit` bytes, before reading them."""
        if blob.id not in self._contents:
            with self._failures(f"read {blob.path}"):
                runner = self._runner()
                size = int(runner.cat_file("-s", blob.id))
                if size > limit:
                    raise errors.TooLarge(
                        f"{blob.path} has {size} bytes, at most {limit} are read",
                        fix="keep large data out of Git: push it to the registry",
                    )
                data = objects.bytes_of(runner, "cat-file", "blob", blob.id)
            if len(self._contents) >= _CACHED_BLOBS:
                self._contents.clear()
            self._contents[blob.id] = gitobject.require("blob", data, blob.id)
        return self._contents[blob.id]

    def read_all(self, blobs: Collection[Blob], *, limit: int) -> dict[str, bytes]:
        """The contents of `blobs` that have at most `limit` bytes, by id. These are kept for the
        next commit, most of which is the same."""
        known = {blob.id: self._contents[blob.id] for blob in blobs if blob.id in self._contents}
        missing = {blob.id for blob in blobs} - known.keys()
        if missing:
            with self._failures(f"read {len(missing)} files"):
                known |= objects.contents(self._runner(), missing, limit=limit)
        self._contents = dict(known)
        return known

    def read_at(self, commit: str, path: str, *, limit: int) -> bytes | None:
        """The content of the regular file `path` at `commit`; None where it is not."""
        found = [blob for blob in self.list(commit, [path]) if blob.path == path and blob.regular]
        return self.read(found[0], limit=limit) if found else None

    def committed_at(self, commit: str) -> float:
        """When `commit` was committed, in seconds since the epoch."""
        with self._failures(f"read commit {commit[:12]}"):
            return float(self._runner().show("--no-patch", "--format=%ct", commit))

    def push(self, proposal: Proposal) -> str:
        """Push `proposal` and return its commit; pushing it again changes nothing.

        It may replace what the branch has, so it never is the branch that is followed.
        """
        if proposal.branch == self.branch:
            raise errors.Conflict(f"{self.branch} is followed, and so never pushed to")
        with self._failures(f"push branch {proposal.branch} to {self.url}"):
            commit = self._commit(proposal)
            runner = self._runner()
            runner.push(
                "--force",
                self.url,
                f"{commit}:refs/heads/{proposal.branch}",
                kill_after_timeout=_TIME_LIMIT_S,
            )
        return commit

    def tips_like(self, pattern: str) -> dict[str, str]:
        """The newest commits of the branches that Git's `pattern` matches, fetched, by name."""
        with self._failures(f"fetch {pattern} from {self.url}"):
            self._prepare()
            runner, name = self._runner(), f"{_BRANCHES}{pattern}"
            told = str(runner.ls_remote(self.url, name, kill_after_timeout=_TIME_LIMIT_S)).split()
            found = dict(zip(told[1::2], told[::2], strict=True))
            if found:
                wanted = (self.url, *found)
                runner.fetch("--quiet", "--no-tags", *wanted, kill_after_timeout=_TIME_LIMIT_S)
        return {ref.removeprefix(_BRANCHES): commit for ref, commit in found.items()}

    def tip(self, branch: str) -> str | None:
        """The newest commit of another branch; None where there is no such branch."""
        return self.tips_like(branch).get(branch)

    def extend(self, proposal: Proposal) -> str:
        """Push `proposal` where its parent still is the tip; raises `Conflict` where it is not."""
        with self._failures(f"push branch {proposal.branch} to {self.url}"):
            self._prepare()
            commit = self._commit(proposal)
            try:
                self._runner().push(
                    self.url,
                    f"{commit}:refs/heads/{proposal.branch}",
                    kill_after_timeout=_TIME_LIMIT_S,
                )
            except git.GitCommandError as error:
                if not any(sign in str(error.stderr) for sign in _MOVED):
                    raise
                raise errors.Conflict(f"somebody pushed to {proposal.branch} first") from error
        return commit

    def _commit(self, proposal: Proposal) -> str:
        name, address = self._author
        date = f"{int(proposal.at)} +0000"
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=clone.SCRATCH) as scratch:
            runner = self._runner()
            runner.update_environment(
                GIT_INDEX_FILE=str(Path(scratch) / "index"),
                GIT_AUTHOR_NAME=name,
                GIT_AUTHOR_EMAIL=address,
                GIT_AUTHOR_DATE=date,
                GIT_COMMITTER_NAME=name,
                GIT_COMMITTER_EMAIL=address,
                GIT_COMMITTER_DATE=date,
            )
            content, message = Path(scratch) / "content", Path(scratch) / "message"
            content.write_bytes(proposal.content)
            message.write_text(proposal.message, encoding="utf-8")
            runner.read_tree(proposal.parent or "--empty")
            blob = runner.hash_object("-w", "--no-filters", str(content))
            runner.update_index("--add", "--cacheinfo", f"100644,{blob},{proposal.path}")
            tree = runner.write_tree()
            parents = ("-p", proposal.parent) if proposal.parent else ()
            signed = ("-S",) if self._signing_key is not None else ()
            return str(runner.commit_tree(tree, *parents, *signed, "-F", str(message)))

    def _prepare(self) -> None:
        clone.make(self._folder, self._runner())

    def _fetch(self, runner: git.Git) -> None:
        is_shallow = (self._folder / "shallow").exists()
        wanted = (
            "--quiet",
            *(["--unshallow"] if is_shallow else []),
            "--no-tags",
            "--force",
            self.url,
            f"refs/heads/{self.branch}:{_HEAD}",
        )
        clone.past_locks(
            self._folder, lambda: runner.fetch(*wanted, kill_after_timeout=_TIME_LIMIT_S)
        )

    def _runner(self) -> git.Git:
        runner = git.Git(str(self._folder))
        settings = {
            "protocol.ext.allow": "never",
            "core.commitGraph": "false",
            "gpg.format": "ssh",
            "gpg.ssh.program": "ssh-keygen",
            "user.signingKey": str(self._signing_key or ""),
        }
        pairs = {
            f"GIT_CONFIG_{part}_{number}": text
            for number, setting in enumerate(settings.items())
            for part, text in zip(("KEY", "VALUE"), setting, strict=True)
        }
        runner.update_environment(
            GIT_TERMINAL_PROMPT="0",
            GIT_CONFIG_COUNT=str(len(settings)),
            GIT_NO_REPLACE_OBJECTS="1",
            GIT_GRAFT_FILE=os.devnull,
            GIT_SSH_COMMAND=os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
            LC_ALL="C",
            **pairs,
        )
        return runner

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except (git.GitError, OSError) as error:
            said = git_reasons.reason(str(getattr(error, "stderr", "") or error))
            raise errors.GitUnavailable(
                f"cannot {what}: {said or type(error).__name__}",
                fix="check the repository address, the branch and the credentials of the "
                "reconciler's user with: git ls-remote",
            ) from error
