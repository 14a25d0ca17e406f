"""Proposes to Git what the hosts already do: a revert of one file, on a branch of its own."""

from dataclasses import dataclass

from reconciler import repo
from reconciler.core import actions
from registry import errors

_FILE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Pushed:
    """The branch and the commit at its tip."""

    branch: str
    commit: str


class Proposals:
    """Writes to one repository."""

    def __init__(self, repository: repo.Repository) -> None:
        self._repository = repository

    def revert(self, action: actions.PushRevert) -> Pushed:
        """Push `action.path` as it was when `action.good` was deployed, and why."""
        good = self._repository.read_at(action.good.commit, action.path, limit=_FILE_LIMIT)
        if good is None:
            raise errors.GitUnavailable(
                f"{action.path} is not in commit {action.good.commit[:12]} any more",
                fix="revert by hand",
            )
        name = action.deployment.replace("/", "-")
        wish = repo.Proposal(
            branch=f"plimsoll/revert/{name}-{action.bad.commit[:12]}",
            parent=action.bad.commit,
            path=action.path,
            content=good,
            message=message(action),
            at=self._repository.committed_at(action.bad.commit),
        )
        return Pushed(wish.branch, self._repository.push(wish))


def message(action: actions.PushRevert) -> str:
    """The revert commit's message: what, why, and the evidence to look up."""
    bad, good = action.bad, action.good
    return "\n".join(
        [
            f"Revert {action.deployment} to {good.model} version {good.version}",
            "",
            f"Version {bad.version} was refused ({action.reason.code}):",
            action.reason.text,
            "",
            f"The hosts serve version {good.version}; merge this to make Git say so too.",
            "To try again instead, change its model, runtime, acceptance or deadline,",
            f"or run: plimsoll retry {action.deployment}",
            "",
            f"Refused-Digest: {bad.digest}",
            f"Refused-Commit: {bad.commit}",
            f"Restored-Digest: {good.digest}",
            f"Restored-Commit: {good.commit}",
            "",
        ]
    )
