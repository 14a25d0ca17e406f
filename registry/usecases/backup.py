"""One backup of everything, while the registry serves: rows, bytes, keys.

The rows come from one snapshot of the database. Bytes never change, and a lease keeps those that
the snapshot names where they are until they are copied. That a backup is taken, and whether with
the keys, is in the log, and so in the backup itself.
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry import errors
from registry.core import canonical, entries
from registry.core.canonical import Json
from registry.db import clock, dump, leases, migrate
from registry.db import log as log_rows
from registry.db import retention as rows
from registry.db.engine import Session
from registry.db.tables_retention import Lease
from registry.store.archive import Archive, Manifest, Writer
from registry.usecases import copying, log, sealed_copies
from registry.usecases.access import Caller
from registry.usecases.opening import Registry
from registry.usecases.retention import Progress

_LEASE = timedelta(minutes=15)
_RENEW_S = 60.0
_WANTED = "wanted.jsonl"


@dataclass(slots=True)
class BackedUp:
    """What is in the backup; `missing` bytes were lost before, each with what is wrong."""

    folder: Path
    entries: int
    rows: int
    blobs: int = 0
    blob_bytes: int = 0
    copied: int = 0
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    schema: str
    origin: str
    size: int
    checkpoint: str
    tables: list[tuple[str, int]]
    wanted_bytes: int


def backup(
    registry: Registry,
    target: Path,
    *,
    with_keys: bool,
    by: Caller,
    progress: Progress = lambda *_: None,
) -> BackedUp:
    """Raises Conflict where `target` is something else's, StorageFull, Unavailable.

    Whatever ends it, the last whole backup in `target` stays; the next one goes on from there.
    """
    archive = Archive(target)
    with archive.writing() as writer, _leased(registry, with_keys=with_keys, by=by) as require:
        with registry.database.reading() as session:
            taken = datetime.now(UTC)
            snapshot = _write_rows(session, writer, progress)
        done = BackedUp(target, snapshot.size, sum(count for _, count in snapshot.tables))
        writer.write_lines("blobs.jsonl", _copied(registry, writer, snapshot, done, progress))
        sealed_copies.write_keys(registry, writer)
        _write_keys(registry, writer, with_keys=with_keys)
        require()
        writer.discard(_WANTED)
        writer.commit(
            Manifest(
                folder=writer.name,
                taken=log.stamp(taken),
                schema=snapshot.schema,
                origin=snapshot.origin,
                checkpoint=snapshot.checkpoint,
                tables=snapshot.tables,
                blobs=done.blobs,
                blob_bytes=done.blob_bytes,
                missing=sorted(done.missing),
                with_keys=with_keys,
                files=writer.files,
            )
        )
    return done


def _write_rows(session: Session, writer: Writer, progress: Progress) -> _Snapshot:
    dump.unbounded(session)
    head = log_rows.head(session)
    if head is None:
        raise errors.Unavailable("the log has not begun", fix="start the registry once")
    names, counts = dump.tables(), []
    for number, name in enumerate(names):
        progress("tables", number, len(names))
        lines = writer.write_lines(f"tables/{name}.jsonl", _lines(session, name))
        counts.append((name, lines - 1))
    total = 0

    def wanted() -> Iterator[Json]:
        nonlocal total
        for digest, size, is_used in rows.listed(session, ""):
            total += size
            yield [digest, size, is_used]

    writer.write_lines(_WANTED, wanted())
    return _Snapshot(
        migrate.current(session), head.origin, head.size, head.checkpoint, counts, total
    )


def _lines(session: Session, table: str) -> Iterator[Json]:
    """The columns first, then a line for each row."""
    yield [[column.name, column.kind] for column in dump.columns(table)]
    for row in dump.rows(session, table):
        yield list(row)


def _copied(
    registry: Registry, writer: Writer, snapshot: _Snapshot, done: BackedUp, progress: Progress
) -> Iterator[Json]:
    """Copy what the snapshot names; gives those that are in the backup now."""
    archive, used, seen = writer.archive, set[str](), 0
    for looked in copying.copy(
        _wanted(writer, used),
        registry.blobs,
        lambda blob: sealed_copies.save(registry, archive, blob),
        is_there=lambda blob: sealed_copies.is_saved(registry, archive, blob),
    ):
        blob = looked.blob
        seen += blob.size
        progress("bytes", seen, snapshot.wanted_bytes)
        if looked.flaw:
            # A claim whose bytes have not come yet is no loss.
            if blob.digest in used:
                done.missing[blob.digest] = looked.flaw
        else:
            done.blobs, done.blob_bytes = done.blobs + 1, done.blob_bytes + blob.size
            done.copied += not looked.was_there
            yield [blob.digest, blob.size]
        used.discard(blob.digest)


def _wanted(writer: Writer, used: set[str]) -> Iterator[copying.Blob]:
    """All that the snapshot names; those that somebody refers to are put into `used`."""
    for line in writer.lines(_WANTED):
        match line:
            case [str(digest), int(size), is_used]:
                if is_used:
                    used.add(digest)
                yield copying.Blob(digest, size)


def _write_keys(registry: Registry, writer: Writer, *, with_keys: bool) -> None:
    settings = registry.settings
    writer.write("trust.json", canonical.encode(registry.trust_document()))
    for name, file in settings.signers_files.items():
        if file.exists():
            writer.write(name, file.read_bytes())
    if not with_keys:
        return
    for file in sorted((settings.data_dir / "keys").iterdir()):
        if file.is_file() and not file.name.startswith("."):
            writer.write(f"keys/{file.name}", file.read_bytes())
    if settings.admin_token_file.exists():
        writer.write("admin.token", settings.admin_token_file.read_bytes())


@contextmanager
def _leased(registry: Registry, *, with_keys: bool, by: Caller) -> Iterator[Callable[[], None]]:
    """Nobody removes bytes in this block; what it gives raises where that may not be so."""
    lease_id = _take_lease(registry, with_keys=with_keys, by=by)
    ended, lapsed = threading.Event(), threading.Event()

    def renew() -> None:
        while not ended.wait(_RENEW_S):
            try:
                is_ours = _renew(registry, lease_id)
            except errors.PlimsollError:
                continue  # the database is away; it may be back before the lease ends
            if not is_ours:
                lapsed.set()
                return

    def require() -> None:
        if lapsed.is_set() or not _renew(registry, lease_id):
            raise errors.Unavailable(
                "the database was away for too long: bytes may have been removed meanwhile",
                fix="run the backup again; it goes on from what is copied",
            )

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield require
    finally:
        ended.set()
        thread.join()
        # Where this does not succeed, the lease ends by itself.
        with suppress(errors.PlimsollError), registry.database.writing() as session:
            log_rows.locked_head(session)
            leases.end(session, lease_id)
            session.commit()


def _take_lease(registry: Registry, *, with_keys: bool, by: Caller) -> str:
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        now = clock.now(session)
        lease = Lease(
            id=secrets.token_hex(16),
            purpose="backup",
            taken_by=by.actor,
            taken_at=now,
            expires_at=now + _LEASE,
        )
        leases.take(session, lease)
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.BACKED_UP,
            actor=by.actor,
            detail={"keys": with_keys},
        )
        log.append(session, registry, entry, now=now)
        session.commit()
    return lease.id


def _renew(registry: Registry, lease_id: str) -> bool:
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        now = clock.now(session)
        is_ours = leases.renew(session, lease_id, now=now, until=now + _LEASE)
        session.commit()
        return is_ours
