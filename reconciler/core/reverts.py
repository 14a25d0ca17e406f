"""What Git is told after a rollback: the smallest change that asks for what serves. Pure.

`OpenRequest` and `CloseRequest` are the actions on a forge that go with a pushed branch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from reconciler.core import edit
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Reason
from reconciler.core.sources import Origin
from registry.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a reviewer should see: what failed, who sent it back if a person did, and the number
    of the log's entry."""

    code: str
    by: str = ""
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class PushRevert:
    """Propose to Git what the hosts do already: `path` asks for `good` again, at `origin` where
    a set's file is meant."""

    verb: ClassVar[str] = "push-revert"
    deployment: str
    path: str
    revision: str
    bad: InstanceSpec
    good: InstanceSpec
    reason: Reason
    evidence: Evidence
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """Open a pull request for the `branch` that `revert` was pushed to."""

    verb: ClassVar[str] = "open-request"
    branch: str
    revert: PushRevert
    reason: Reason

    @property
    def deployment(self) -> str:
        """`environment/name`."""
        return self.revert.deployment


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """Close the pull request `number`, unless somebody has: it is needed no longer. Without a
    number it is the one of `branch`, if there is one."""

    verb: ClassVar[str] = "close-request"
    deployment: str
    number: int | None
    branch: str
    bad: InstanceSpec
    reason: Reason


ForGit = PushRevert | OpenRequest | CloseRequest


def remade(action: PushRevert, origin: Origin, asked: bytes) -> bytes | None:
    """The set's file `asked`, in which one deployment asks for what is good again, or None."""
    bad, good = (
        edit.Pin(spec.model, spec.version, spec.digest) for spec in (action.bad, action.good)
    )
    try:
        return edit.repin_made(asked, origin, was=bad, now=good, path=action.path)
    except InvalidInput:
        return None


def content(path: str, asked: bytes, before: bytes | None, good: InstanceSpec) -> bytes | None:
    """The file `asked` changed so that it asks for exactly `good`, or None.

    Where version and digest alone are not enough (the runtime changed too) it is the whole file
    as it was `before`.
    """
    return next((text for text in _candidates(path, asked, before, good) if text), None)


def _candidates(
    path: str, asked: bytes, before: bytes | None, good: InstanceSpec
) -> Iterator[bytes | None]:
    for text in (_repinned(path, asked, good), before):
        yield text if text is not None and _asks_for(path, text, good) else None


def _repinned(path: str, asked: bytes, good: InstanceSpec) -> bytes | None:
    try:
        return edit.repin(asked, version=good.version, digest=good.digest, path=path)
    except InvalidInput:
        return None


def _asks_for(path: str, text: bytes, good: InstanceSpec) -> bool:
    try:
        return edit.spec_of(path, text, good).spec_hash == good.spec_hash
    except InvalidInput:
        return False
