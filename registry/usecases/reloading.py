"""The rows of a backup, all in one transaction, checked against the signed log before it ends."""

from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import digest as digests
from registry.core.canonical import Json
from registry.core.trustroot import TrustRoot
from registry.db import dump, keys, migrate
from registry.db import log as log_rows
from registry.db import retention as rows
from registry.db.engine import Database, Session
from registry.db.keys import Row
from registry.store.archive import Archive, Manifest
from registry.usecases import verification
from registry.usecases.retention import Progress
from registry.usecases.verification import Findings


@dataclass(frozen=True, slots=True)
class Copied:
    """The raw digests of the bytes that are in the target now, and the keys that go with them.

    `destroyed` are keys that are known to be destroyed, whatever the backup says.
    """

    digests: set[bytes]
    keys: Collection[Row] = ()
    destroyed: Collection[str] = ()


_FIX = "nothing was restored; take another copy of the backup, or an older one"


def load(
    database: Database,
    source: Archive,
    manifest: Manifest,
    trust: TrustRoot,
    copied: Copied,
    progress: Progress,
) -> Findings:
    """Raises IntegrityError where rows, log and bytes do not agree: then nothing is there."""
    with database.migrating() as connection:
        dump.unbounded(connection)
        migrate.upgrade(connection, manifest.schema)
        if dump.names(connection) != {name for name, _ in manifest.tables}:
            raise errors.IntegrityError("the backup has other tables than its schema", fix=_FIX)
        for number, (name, count) in enumerate(manifest.tables):
            progress("tables", number, len(manifest.tables))
            found = _rows(source, manifest, name)
            columns = _columns(name, next(found, None))
            if dump.load(connection, name, columns, found) != count:
                raise errors.IntegrityError(f"table {name} has other rows than {count}", fix=_FIX)
        migrate.upgrade(connection, migrate.newest())
        with closing(Session(connection)) as session:
            _put_keys(session, copied)
            return check(session, manifest, trust, copied.digests, progress)


def check(
    session: Session,
    manifest: Manifest,
    trust: TrustRoot,
    copied: set[bytes],
    progress: Progress,
) -> Findings:
    """What is in the target now, against the log and against the bytes that were copied."""
    found = Findings()
    head = log_rows.head(session)
    if head is None or head.checkpoint != manifest.checkpoint:
        found.add("the log", "it is not the one that the backup's manifest names")
    verification.check_records(session, trust, found, progress)
    for digest, size, is_used in rows.listed(session, ""):
        if is_used and digests.raw(digest) in copied:
            found.blobs, found.blob_bytes = found.blobs + 1, found.blob_bytes + size
        elif is_used and digest not in manifest.missing:
            for owner in verification.owned(session, digest, {digest: ["something"]}):
                found.add(owner, f"its bytes are not in the backup ({digest})")
    found.require_none(_FIX)
    return found


def _put_keys(session: Session, copied: Copied) -> None:
    now = datetime.now(UTC)
    keys.add(session, copied.keys, now=now)
    keys.deny(session, copied.destroyed, now=now)
    session.flush()


def _rows(source: Archive, manifest: Manifest, table: str) -> Iterator[Json]:
    return source.read_lines(manifest, f"tables/{table}.jsonl")


def _columns(table: str, line: Json) -> list[dump.Column]:
    columns = []
    for one in line if isinstance(line, list) else []:
        match one:
            case [str(name), str(kind)]:
                columns.append(dump.Column(name, kind))
            case _:
                raise errors.IntegrityError(f"table {table} has a column without a name")
    return columns
