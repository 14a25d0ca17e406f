"""A commit as `words.message_by_hand` describes one: what a person had proposed. Pure.

Whose it is, is said by its committer: who changes it, by an amendment too, is named in its place.
"""

import re
from dataclasses import dataclass

from reconciler.core import gitobject

_BRANCH = "plimsoll/promote/{}-{}"
_TITLE = re.compile(r"Promote \S+ version (\d{1,18}) to (\S+)")
_ID = re.compile(r"[0-9a-f]{12}")
# Only those that nobody asked for have it.
_OF_A_PROMOTION = "Promoted-From"


@dataclass(frozen=True, slots=True)
class ByHand:
    """The version that the commit brings into the deployment's file."""

    version: int
    digest: str


def branch(deployment: str, identity: str) -> str:
    """Where it is proposed: the same for the same run, or wish, with this id."""
    return _BRANCH.format(deployment.replace("/", "-"), identity[:12])


def branches(deployment: str) -> str:
    """What all of them are like, as Git matches names; `is_branch` says which ones are."""
    return _BRANCH.format(deployment.replace("/", "-"), "*")


def is_branch(name: str, deployment: str) -> bool:
    """Whether `name` is what `branch` says for some id."""
    start = _BRANCH.format(deployment.replace("/", "-"), "")
    return name.startswith(start) and _ID.fullmatch(name.removeprefix(start)) is not None


def by_hand(commit: gitobject.Commit, deployment: str, address: str) -> ByHand | None:
    """What `commit`, of the reconciler whose e-mail address is `address`, proposes to `deployment`
    since a person asked for it; None where it is anything else."""
    if not commit.author == commit.committer == address or len(commit.parents) != 1:
        return None
    message = commit.payload.partition(b"\n\n")[2].decode("utf-8", "replace").strip()
    title = _TITLE.fullmatch(message.partition("\n")[0])
    lines = message.rpartition("\n\n")[2].splitlines()
    trailers = dict(line.split(": ", 1) for line in lines if ": " in line)
    digest = trailers.get("Promoted-Digest")
    if title is None or title[2] != deployment or digest is None or _OF_A_PROMOTION in trailers:
        return None
    return ByHand(int(title[1]), digest)
