"""Removes bytes that nobody refers to, in two steps: condemned first, removed later.

`look` is the dry run. In between the two steps any claim pardons the bytes, and both steps look
again under the writer's lock, so bytes that somebody refers to are never removed. Bytes go before
their row: a crash in between leaves a condemned row, which the next sweep takes up. Bytes that are
missing although somebody refers to them are damage: reported, never cleaned away.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry.db import blobs, clock, leases, oci, registrations
from registry.db import log as log_rows
from registry.db import retention as rows
from registry.db.engine import Session
from registry.db.tables import Blob
from registry.store import leftovers
from registry.usecases import key_tidying
from registry.usecases.opening import Registry
from registry.usecases.retention import Progress

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""Condemned at this moment means: due whatever the grace."""

_PAGE = 500
# The writer's lock is held while so many bytes' removal is on its way to the store.
_TOGETHER = 32
_IN_PARALLEL = 8
_SHOWN = 100
_LEFTOVER_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Grace:
    """How long bytes must have been unused to be condemned, and condemned to be removed."""

    unused: timedelta
    condemned: timedelta

    @classmethod
    def of(cls, hours: float) -> "Grace":
        """Whoever was told that bytes are here gets up to an hour to refer to them."""
        return cls(timedelta(hours=hours), timedelta(hours=min(hours, 1.0)))


@dataclass(slots=True)
class Tally:
    """How many, how large, and the first of them by name."""

    count: int = 0
    size: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str, size: int) -> None:
        self.count += 1
        self.size += size
        if len(self.first) < _SHOWN:
            self.first.append(name)


@dataclass(slots=True)
class Swept:
    """What a sweep did, or in a dry run would do.

    `waiting` is condemned and not yet due. `adopted` had no row, and got one: a later sweep will
    find it. `missing` is damage. `leased` says who keeps all bytes where they are.
    """

    removed: Tally = field(default_factory=Tally)
    condemned: Tally = field(default_factory=Tally)
    waiting: Tally = field(default_factory=Tally)
    adopted: Tally = field(default_factory=Tally)
    missing: Tally = field(default_factory=Tally)
    leftovers: Tally = field(default_factory=Tally)
    leased: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Of one shelf: what is stored without a row, and what is referred to without being stored."""

    unlisted: Sequence[str]
    missing: Sequence[tuple[str, int]]


def look(registry: Registry, grace: Grace, progress: Progress = lambda *_: None) -> Swept:
    """What `sweep` would do now; changes nothing."""
    now, found = datetime.now(UTC), Swept()
    with registry.database.reading() as session:
        found.leased = _leased(session)
    for page in _pages(registry, rows.condemned):
        with registry.database.reading() as session:
            due = rows.due(session, [blob.digest for blob in page], before=now - grace.condemned)
        ripe = {blob.digest for blob in due}
        for blob in page:
            (found.removed if blob.digest in ripe else found.waiting).add(blob.digest, blob.size)
    fresh = found.condemned if grace.condemned else found.removed
    for page in _pages(registry, _unused_before(now - grace.unused)):
        for blob in page:
            fresh.add(blob.digest, blob.size)
    for shelf in _shelves(registry, progress):
        _note_missing(registry, shelf, found)
        for digest in shelf.unlisted:
            found.adopted.add(digest, registry.blobs.size(digest) or 0)
    for path, size in _leftovers(registry):
        found.leftovers.add(str(path), size)
    return found


def sweep(registry: Registry, grace: Grace, progress: Progress = lambda *_: None) -> Swept:
    """Pardon, condemn, remove, and find what no row names. Doing it again goes on where it ended.

    Raises Unavailable where store or database do not answer; what was done until then counts.
    """
    now, found = datetime.now(UTC), Swept()
    registry.blobs.check()
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        # A checker that died right after it, or a deletion, left that to us.
        registrations.let_go_settled(session)
        rows.pardon(session)
        session.commit()
    for page in _pages(registry, _unused_before(now - grace.unused)):
        _condemn(registry, page, grace, now)
    for page in _pages(registry, rows.condemned):
        progress("removing", found.removed.count, found.removed.count + len(page))
        gone = _remove(registry, page, before=now - grace.condemned, found=found)
        for blob in page:
            if blob.digest not in gone:
                is_new = blob.condemned_at == now
                (found.condemned if is_new else found.waiting).add(blob.digest, blob.size)
    for shelf in _shelves(registry, progress):
        _note_missing(registry, shelf, found)
        _adopt(registry, shelf.unlisted, found)
    registry.uploads.expire(older_than=registry.settings.limits.upload_ttl)
    key_tidying.tidy(registry, before=now - _LEFTOVER_AFTER)
    for path, size in _leftovers(registry):
        leftovers.remove(path)
        found.leftovers.add(str(path), size)
    return found


def remove(registry: Registry, digests: Collection[str], *, before: datetime) -> Tally:
    """Of these blobs, remove those condemned since `before` that nobody refers to, now."""
    found = Swept()
    with registry.database.reading() as session:
        page = rows.due(session, digests, before=before)
    _remove(registry, page, before=before, found=found)
    return found.removed


def purge(registry: Registry) -> None:
    """Finish what was condemned to go at once and did not, for a crash or a backup was between."""
    for page in _pages(registry, rows.condemned):
        remove(registry, [blob.digest for blob in page], before=AT_ONCE)


def compare(registry: Registry, shelf: str) -> Shelf:
    """The rows of one shelf against what is stored: rows first, so that nothing new looks lost."""
    with registry.database.reading() as session:
        listed = {digest: (size, is_used) for digest, size, is_used in rows.listed(session, shelf)}
    stored = registry.blobs.digests(shelf)
    unlisted = [digest for digest in stored if listed.pop(digest, None) is None]
    lost = [(digest, size) for digest, (size, is_used) in listed.items() if is_used]
    return Shelf(unlisted, [one for one in lost if registry.blobs.size(one[0]) is None])


def _condemn(registry: Registry, page: Sequence[Blob], grace: Grace, now: datetime) -> None:
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        digests = [blob.digest for blob in page]
        rows.condemn(session, digests, before=now - grace.unused, at=now)
        session.commit()


def _remove(
    registry: Registry, page: Sequence[Blob], *, before: datetime, found: Swept
) -> set[str]:
    """Remove those that are due and that nobody refers to; gives their digests."""
    removed = set[str]()
    for start in range(0, len(page), _TOGETHER):
        batch = page[start : start + _TOGETHER]
        with registry.database.writing() as session:
            log_rows.locked_head(session)
            found.leased = found.leased or _leased(session)
            due = [] if found.leased else rows.due(
                session, [blob.digest for blob in batch], before=before
            )  # fmt: skip
            gone = {blob.digest for blob in due}
            # Nobody can claim them while the lock is held; after that they find neither.
            with ThreadPoolExecutor(_IN_PARALLEL) as pool:
                list(pool.map(registry.blobs.delete, sorted(gone)))
            oci.unlink_everywhere(session, gone)
            rows.forget(session, gone)
            session.commit()
        removed |= gone
        for blob in due:
            found.removed.add(blob.digest, blob.size)
    return removed


def _adopt(registry: Registry, unlisted: Sequence[str], found: Swept) -> None:
    """Give a row to what has none; whoever claimed it in the meantime is not disturbed."""
    for start in range(0, len(unlisted), _PAGE):
        batch = unlisted[start : start + _PAGE]
        sizes = [(digest, registry.blobs.size(digest)) for digest in batch]
        stored = [(digest, size) for digest, size in sizes if size is not None]
        with registry.database.writing() as session:
            log_rows.locked_head(session)
            blobs.claim(session, stored, now=datetime.now(UTC))
            session.commit()
        for digest, size in stored:
            found.adopted.add(digest, size)


def _note_missing(registry: Registry, shelf: Shelf, found: Swept) -> None:
    if not shelf.missing:
        return
    with registry.database.reading() as session:
        still = rows.referrers_of(session, [digest for digest, _ in shelf.missing])
    for digest, size in shelf.missing:
        if digest in still:
            found.missing.add(digest, size)


def _pages(registry: Registry, query: Callable[..., Sequence[Blob]]) -> Iterator[Sequence[Blob]]:
    after = ""
    while True:
        with registry.database.reading() as session:
            page = query(session, after=after, limit=_PAGE)
        if not page:
            return
        yield page
        after = page[-1].digest


def _shelves(registry: Registry, progress: Progress) -> Iterator[Shelf]:
    with registry.database.reading() as session:
        names = rows.shelves(session)
    for number, name in enumerate(names):
        progress("comparing with the store", number, len(names))
        yield compare(registry, name)


def _unused_before(moment: datetime) -> Callable[..., Sequence[Blob]]:
    def query(session: Session, *, after: str, limit: int) -> Sequence[Blob]:
        return rows.unused(session, before=moment, after=after, limit=limit)

    return query


def _leased(session: Session) -> str:
    found = leases.active(session, clock.now(session))
    return f"{found[0].purpose} by {found[0].taken_by}" if found else ""


def _leftovers(registry: Registry) -> Sequence[tuple[Path, int]]:
    return leftovers.stale(registry.settings.data_dir, older_than=_LEFTOVER_AFTER)
