"""The whole log, checked without trusting the registry, and what it says about where things ran.

Every leaf is hashed again here and the root over all of them compared with the one that the
log's key signed. Where they differ, the registry's own proofs are used to find the place.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry import errors
from registry.core import entries, merkle, note
from registry.core.entries import Entry, Kind

if TYPE_CHECKING:
    from registry.cli.client import Client

PAGE = 1000
_BEGINS = frozenset({Kind.DEPLOYED, Kind.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class History:
    """A log that was checked: the checkpoint and every entry it signs, in order."""

    checkpoint: note.Checkpoint
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One version that served a deployment on a host; `until` is empty while it still does."""

    deployment: str
    host: str
    model: str
    version: int
    digest: str
    since: str
    until: str
    commit: str
    reason: str


class Tree:
    """All complete subtrees over the leaves seen so far, so that any older root can be had."""

    def __init__(self) -> None:
        self.size = 0
        self._nodes: dict[tuple[int, int], bytes] = {}

    def append(self, leaf: bytes) -> None:
        added = merkle.appended(self.size, leaf, self._subtree)
        self._nodes |= {(level, index): node for level, index, node in added}
        self.size += 1

    def root(self, size: int) -> bytes:
        return merkle.root(size, self._subtree)

    def _subtree(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]


def fetch(client: "Client", key: note.LogKey, remembered: note.Checkpoint | None) -> History:
    """The checked log; raises SignatureInvalid, LogForked or IntegrityError with the place."""
    checkpoint = note.verify_checkpoint(client.checkpoint(), key)
    tree, leaves = Tree(), list(_leaves(client, checkpoint.size))
    for leaf in leaves:
        tree.append(leaf)
    if tree.root(tree.size) != checkpoint.root:
        place = _first_changed(client, tree, checkpoint)
        raise errors.IntegrityError(
            f"the log's entries are not those that were signed: {place}",
            fix="keep a copy as evidence; restore the registry's database from before the change",
        )
    if remembered is not None:
        _require_growth(tree, checkpoint, remembered)
    return History(checkpoint, tuple(_entry(index, leaf) for index, leaf in enumerate(leaves)))


def runs(log: Iterable[Entry]) -> list[Run]:
    """What served where, from when to when, by which commit; in the order it began."""
    done: list[Run] = []
    open_runs: dict[tuple[str, str], int] = {}
    for entry in log:
        place = (entry.deployment, entry.host)
        current = open_runs.get(place)
        begins = entry.kind in _BEGINS
        ends = (
            entry.kind is Kind.REMOVED
            and current is not None
            and done[current].digest == entry.digest
        )
        if current is not None and (begins or ends):
            done[current] = replace(done[current], until=entry.time)
            del open_runs[place]
        if begins:
            open_runs[place] = len(done)
            done.append(_run(entry))
    return done


def _run(entry: Entry) -> Run:
    return Run(
        deployment=entry.deployment,
        host=entry.host,
        model=entry.model,
        version=entry.version,
        digest=entry.digest,
        since=entry.time,
        until="",
        commit=entry.commit,
        reason=entry.reason,
    )


def _leaves(client: "Client", size: int) -> Iterable[bytes]:
    expected = 0
    while expected < size:
        page = client.log_page(expected, min(PAGE, size - expected))
        if not page.leaves:
            raise errors.IntegrityError(
                f"the log signs {size} entries and shows only {expected}",
                fix="restore the registry's database from before the loss",
            )
        for index, leaf in page.leaves:
            if index != expected:
                raise errors.IntegrityError(f"the log shows entry {index} instead of {expected}")
            yield leaf
            expected += 1


def _entry(index: int, leaf: bytes) -> Entry:
    try:
        return entries.decode(leaf)
    except errors.InvalidInput as error:
        raise errors.IntegrityError(
            f"entry {index} of the log is signed and yet no entry: {error.detail}",
            fix="this program may be older than the registry: compare `plimsoll version`",
        ) from error


def _require_growth(tree: Tree, new: note.Checkpoint, old: note.Checkpoint) -> None:
    if old.size > new.size:
        raise errors.LogForked(
            f"the log had {old.size} entries when it was last seen, now it has {new.size}",
            fix="entries were lost or hidden: restore the database, and keep both checkpoints",
        )
    if tree.root(old.size) != old.root:
        raise errors.LogForked(
            f"the first {old.size} entries are not those that were signed when last seen",
            fix="history was rewritten: keep both checkpoints as evidence",
        )


def _first_changed(client: "Client", tree: Tree, checkpoint: note.Checkpoint) -> str:
    """Bisect: the first k leaves are authentic iff their root is consistent with the signed one."""
    authentic, changed = 0, tree.size
    while changed - authentic > 1:
        middle = (authentic + changed) // 2
        if _is_prefix(client, tree, middle, checkpoint):
            authentic = middle
        else:
            changed = middle
    return f"entry {changed - 1} is the first that differs"


def _is_prefix(client: "Client", tree: Tree, size: int, checkpoint: note.Checkpoint) -> bool:
    proof = client.consistency(size, checkpoint.size)
    try:
        merkle.check_consistency((size, tree.root(size)), (checkpoint.size, checkpoint.root), proof)
    except errors.IntegrityError:
        return False
    return True
