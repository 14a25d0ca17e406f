"""Proposes to Git what the hosts already do: a revert of one file, on a branch of its own.

Where a forge is configured, a pull request is opened for the branch, and closed once it is needed
no longer. The branch that is followed is never pushed to.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from reconciler import forges, journal, repo
from reconciler.core import outcomes, reverts
from reconciler.core.experiments import winning
from reconciler.core.experiments.acts import Propose
from registry import errors
from registry.core.canonical import Json
from registry.core.entries import Kind

_FILE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Told:
    """Where people can see what Git was told, and the pull request, if there is one."""

    where: str
    request: int | None = None


@dataclass(frozen=True, slots=True)
class Proposals:
    """Writes to one repository, and to its forge if it has one."""

    repository: repo.Repository
    journal: journal.Journal
    forge: forges.Forge | None

    def perform(self, action: reverts.ForGit) -> outcomes.Outcome:
        """Each is safe to repeat; raises `GitUnavailable`, and `Unavailable` of the forge."""
        match action:
            case reverts.PushRevert():
                return self._push(action)
            case reverts.OpenRequest():
                return self._open(action)
            case reverts.CloseRequest():
                return self._close(action)

    def _push(self, action: reverts.PushRevert) -> outcomes.Outcome:
        wish = repo.Proposal(
            branch=branch(action),
            parent=action.bad.commit,
            path=action.path,
            content=self._content(action),
            message=message(action),
            at=self.repository.committed_at(action.bad.commit),
        )
        commit = self.repository.push(wish)
        detail: dict[str, Json] = {"branch": wish.branch, "commit": commit}
        fields = journal.about(action.bad, action.reason.text, detail)
        key = ("revert-pushed", action.deployment, wish.branch, commit)
        self.journal.record_once(key, Kind.REVERT_PUSHED, fields)
        return outcomes.Done(wish.branch)

    def _content(self, action: reverts.PushRevert) -> bytes:
        asked = self.repository.read_at(action.bad.commit, action.path, limit=_FILE_LIMIT)
        if action.origin is not None:
            return self._required_text(action, reverts.remade(action, action.origin, asked or b""))
        before = None
        with suppress(errors.GitUnavailable):  # the branch was rewritten, and the commit is gone
            before = self.repository.read_at(action.good.commit, action.path, limit=_FILE_LIMIT)
        found = reverts.content(action.path, asked or b"", before, action.good)
        return self._required_text(action, found)

    def _required_text(self, action: reverts.PushRevert, found: bytes | None) -> bytes:
        if found is None:
            raise errors.GitUnavailable(
                f"no version of {action.path} in Git asks for what serves, version "
                f"{action.good.version} of commit {action.good.commit[:12]}",
                fix="revert by hand",
            )
        return found

    def _open(self, action: reverts.OpenRequest) -> outcomes.Outcome:
        title, _, body = message(action.revert).partition("\n\n")
        found = forges.opened(self._required(), action.branch, title, body)
        detail: dict[str, Json] = {"branch": action.branch, "request": found.url}
        fields = journal.about(action.revert.bad, action.reason.text, detail)
        key = ("revert-proposed", action.revert.deployment, action.branch, found.url)
        self.journal.record_once(key, Kind.REVERT_PROPOSED, fields)
        return outcomes.Opened(found.number, found.url)

    def _close(self, action: reverts.CloseRequest) -> outcomes.Outcome:
        """One that somebody has merged or closed already is left as it is."""
        comment = f"This revert is needed no longer: {action.reason.text}."
        number = self.request(action.number, action.branch)
        if number is not None and self._required().close(number, comment):
            detail: dict[str, Json] = {"number": number}
            fields = journal.about(action.bad, action.reason.text, detail)
            key = ("revert-withdrawn", action.bad.deployment, action.bad.commit, str(number))
            self.journal.record_once(key, Kind.REVERT_WITHDRAWN, fields)
        return outcomes.Done()

    def propose(self, action: Propose) -> outcomes.Outcome:
        """The winner of an experiment, as its file wants it told."""
        told = self.change(
            action.path,
            action.spec.commit,
            branch=self._branch(action),
            edited=lambda text: winning.content(action, text),
            message=winning.message(action),
        )
        detail: dict[str, Json] = {"experiment": action.run.name, "where": told.where}
        fields = journal.about(action.spec, action.reason.text, detail)
        self.journal.record_once(
            ("experiment-proposed", action.run.id), Kind.EXPERIMENT_PROPOSED, fields
        )
        return outcomes.Done(told.where)

    def change(
        self,
        path: str,
        parent: str,
        *,
        branch: str,
        edited: Callable[[bytes], bytes],
        message: str,
    ) -> Told:
        """Push `path` as `edited` on top of `parent`, and say where people see it; a branch other
        than the followed one becomes a pull request. The same again is the very same commit."""
        asked = self.repository.read_at(parent, path, limit=_FILE_LIMIT)
        wish = repo.Proposal(
            branch=branch,
            parent=parent,
            path=path,
            content=edited(asked or b""),
            message=message,
            at=self.repository.committed_at(parent),
        )
        return self._told(wish)

    def request(self, number: int | None, branch: str) -> int | None:
        """The request that is meant: where nobody knows its number, since the answer was lost when
        it was opened, the open one of `branch`, if there is one."""
        if number is not None or self.forge is None:
            return number
        found = self.forge.find(branch)
        return None if found is None else found.number

    def _branch(self, action: Propose) -> str:
        is_direct = action.run.spec.promote == "commit"
        return self.repository.branch if is_direct else winning.branch(action)

    def _told(self, wish: repo.Proposal) -> Told:
        if wish.branch == self.repository.branch:
            return Told(f"commit {self.repository.extend(wish)[:12]}")
        self.repository.push(wish)
        if self.forge is None:
            return Told(f"branch {wish.branch}")
        title, _, body = wish.message.partition("\n\n")
        found = forges.opened(self.forge, wish.branch, title, body)
        return Told(found.url, found.number)

    def _required(self) -> forges.Forge:
        if self.forge is None:
            raise errors.Unavailable("no forge is configured", fix="see docs/rollback.md")
        return self.forge


def branch(action: reverts.PushRevert) -> str:
    """The same for the same commit, so that a push is never repeated under another name."""
    return f"plimsoll/revert/{action.deployment.replace('/', '-')}-{action.bad.commit[:12]}"


def message(action: reverts.PushRevert) -> str:
    """The revert commit's message: what, why, and the evidence to look up."""
    bad, good, evidence = action.bad, action.good, action.evidence
    trailers = [
        ("Refused-Digest", bad.digest),
        ("Refused-Commit", bad.commit),
        ("Restored-Digest", good.digest),
        ("Restored-Commit", good.commit),
        ("Asked-By", evidence.by),
        ("Log-Entry", "" if evidence.entry is None else str(evidence.entry)),
    ]
    return "\n".join(
        [
            f"Revert {action.deployment} to {good.model} version {good.version}",
            "",
            f"Version {bad.version} was refused ({evidence.code}):",
            action.reason.text,
            "",
            f"The hosts serve version {good.version}; merge this to make Git say so too.",
            "To try again instead, change its model, runtime, acceptance or deadline,",
            f"or run: plimsoll retry {action.deployment}",
            "",
            *(f"{name}: {value}" for name, value in trailers if value),
            "",
        ]
    )
