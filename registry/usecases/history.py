"""What the log tells of one deployment, the newest first, a bounded look at a time."""

from collections.abc import Collection
from dataclasses import dataclass

from registry.core import canonical
from registry.core.canonical import Json
from registry.db import history as rows
from registry.db import log as log_rows
from registry.usecases.opening import Registry

_CHUNK = 1000
# In a long log little may be about one deployment: whoever asks goes on from where this stopped.
LOOKED_AT = 20_000
_OF_COMMITS = frozenset({"commit_verified", "commit_refused", "commit_accepted"})


@dataclass(frozen=True, slots=True)
class Told:
    """Entries by index, the newest first; `before` is where to go on, None at the log's start."""

    entries: tuple[tuple[int, dict[str, Json]], ...]
    before: int | None


def of_deployment(
    registry: Registry,
    deployment: str,
    *,
    before: int | None = None,
    limit: int = 100,
    commits: Collection[str] = (),
) -> Told:
    """Entries about `deployment`, and those that say who signed the commits it came from, or any
    of `commits`."""
    wanted, found = set(commits), list[tuple[int, dict[str, Json]]]()
    needle = canonical.encode(deployment)
    with registry.database.reading() as session:
        head = log_rows.head(session)
        size = head.size if head else 0
        stop = size if before is None else min(before, size)
        end = max(stop - LOOKED_AT, 0)
        while stop > end and len(found) < limit:
            for index, leaf in rows.before(session, stop, limit=min(_CHUNK, stop - end)):
                stop = index
                if needle not in leaf and b'"kind":"commit_' not in leaf:
                    continue
                entry = canonical.decode_object(leaf, what="log entry")
                if _is_about(entry, deployment, wanted):
                    wanted.add(str(entry.get("commit", "")))
                    found.append((index, entry))
                if len(found) == limit:
                    break
    return Told(tuple(found), stop or None)


def _is_about(entry: dict[str, Json], deployment: str, commits: Collection[str]) -> bool:
    if entry.get("deployment") == deployment:
        return True
    return entry.get("kind") in _OF_COMMITS and str(entry.get("commit") or "-") in commits
