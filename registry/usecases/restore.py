"""A backup back into an empty place, of whatever kind of database and store, and checked there.

Order: the backup's files are checked; bytes are copied, each hashed on its way; keys are put
back; then all rows come in one transaction, in which they are checked against the signed log. So
there is a whole registry or none. A mark in the data folder keeps anybody from starting one in
between; a restore that was interrupted is simply run again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from registry import errors
from registry.core import entries, trustchain
from registry.core.trustroot import TrustRoot
from registry.db import dump, engine, migrate
from registry.db import log as log_rows
from registry.db.engine import Database
from registry.settings import Settings
from registry.store import durable
from registry.store.archive import Archive, Manifest
from registry.usecases import destroyed, log, opening, refilling, reloading, sealed_copies
from registry.usecases.access import Caller
from registry.usecases.retention import Progress
from registry.usecases.verification import Findings


@dataclass(frozen=True, slots=True)
class Wish:
    """What to restore, and what to put up with.

    `trust` None takes the backup's own trust root: that shows it is whole, not whose it is.
    `destroyed` are lists of keys that erasures destroyed since; the data folder's own counts too.
    """

    source: Archive
    trust: TrustRoot | None = None
    despite_missing: bool = False
    destroyed: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """What is there now; without keys the registry cannot be started."""

    manifest: Manifest
    findings: Findings
    has_keys: bool


def restore(
    settings: Settings, wish: Wish, by: Caller, progress: Progress = lambda *_: None
) -> Restored:
    """Raises IntegrityError naming what is damaged, Conflict where the target is not empty."""
    manifest = check(wish)
    _require_fitting(settings, wish, manifest)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = engine.connect(settings.database)
    try:
        findings = _restore(settings, wish, manifest, database, progress)
    finally:
        database.close()
    (settings.data_dir / opening.RESTORING).unlink()
    has_keys = (settings.data_dir / "keys" / "log.pem").exists()
    if has_keys:
        _record(settings, manifest, by)
    return Restored(manifest, findings, has_keys)


def check(wish: Wish) -> Manifest:
    """The backup's manifest, if all its files but the blobs are as they were written."""
    manifest = wish.source.manifest()
    damaged = wish.source.damaged(manifest)
    if damaged:
        raise errors.IntegrityError(
            f"the backup in {wish.source.root} is damaged: {'; '.join(damaged[:20])}",
            fix="take another copy of it, or an older backup",
        )
    if manifest.missing and not wish.despite_missing:
        raise errors.IntegrityError(
            f"{len(manifest.missing)} blobs were lost before the backup was taken: "
            f"{', '.join(manifest.missing[:5])}",
            fix="take an older backup, or restore all else with --despite-missing",
        )
    return manifest


def _restore(
    settings: Settings, wish: Wish, manifest: Manifest, database: Database, progress: Progress
) -> Findings:
    is_loaded = _is_loaded(settings, manifest, database)
    if not is_loaded:
        _require_empty(database)
    durable.write_private(settings.data_dir / opening.RESTORING, manifest.folder.encode())
    _put_back_keys(settings, wish.source, manifest)
    manifest, copied = refilling.refill(
        settings,
        wish.source,
        manifest,
        destroyed.known(settings, wish.destroyed),
        progress,
        despite_missing=wish.despite_missing,
    )
    trust = wish.trust or trustchain.read(wish.source.read(manifest, "trust.json") or b"")
    if not is_loaded:
        return reloading.load(database, wish.source, manifest, trust, copied, progress)
    with database.reading() as session:
        dump.unbounded(session)
        return reloading.check(session, manifest, trust, copied.digests, progress)


def _require_fitting(settings: Settings, wish: Wish, manifest: Manifest) -> None:
    """Raise before anything is written where it could not succeed."""
    if settings.origin != manifest.origin:
        raise errors.InvalidConfig(
            f"the backup's log is called {manifest.origin!r}, the settings call it "
            f"{settings.origin!r}",
            fix=f"set log_origin to {manifest.origin!r}",
        )
    if not migrate.is_known(manifest.schema):
        raise errors.InvalidConfig(
            f"the backup has the schema {manifest.schema}, which this release does not know",
            fix="restore it with the release that took it, or a newer one",
        )
    if sealed_copies.is_encrypted(manifest) and settings.encryption.provider == "off":
        raise errors.InvalidConfig(
            "the backup's blobs are encrypted, and the settings say encryption is off",
            fix="set encryption as it was where the backup was taken",
        )
    for name, path in _private_files(settings, manifest):
        if path.exists() and path.read_bytes() != wish.source.read(manifest, name):
            raise errors.Conflict(
                f"{path} is there, and is not the one in the backup",
                fix="restore into an empty data folder",
            )


def _is_loaded(settings: Settings, manifest: Manifest, database: Database) -> bool:
    """Whether an earlier run of this very restore got as far as the rows."""
    mark = settings.data_dir / opening.RESTORING
    if not mark.exists() or mark.read_bytes() != manifest.folder.encode():
        return False
    with database.reading() as session:
        if dump.is_empty(session.connection()):
            return False
        head = log_rows.head(session)
    return head is not None and head.checkpoint == manifest.checkpoint


def _require_empty(database: Database) -> None:
    with database.reading() as session:
        if not dump.is_empty(session.connection()):
            raise errors.Conflict(
                "the database is not empty: a restore never mixes with what is there",
                fix="name an empty database, or remove the one that is there yourself",
            )


def _put_back_keys(settings: Settings, source: Archive, manifest: Manifest) -> None:
    wanted = dict(_private_files(settings, manifest))
    lists = settings.signers_files.items()
    wanted |= {name: path for name, path in lists if name in manifest.files}
    for name, path in wanted.items():
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.write_private(path, source.read(manifest, name) or b"")


def _private_files(settings: Settings, manifest: Manifest) -> Iterator[tuple[str, Path]]:
    for name in manifest.files:
        if name.startswith("keys/"):
            yield name, settings.data_dir / "keys" / Path(name).name
        elif name == "admin.token":
            yield name, settings.admin_token_file


def _record(settings: Settings, manifest: Manifest, by: Caller) -> None:
    """An auditor sees where the log goes on from, and that it may have had more entries once."""
    registry = opening.open_registry(settings)
    now = datetime.now(UTC)
    try:
        with registry.database.writing() as session:
            head = log_rows.locked_head(session)
            entry = entries.Entry(
                time=log.stamp(now),
                kind=entries.Kind.RESTORED,
                actor=by.actor,
                detail={"taken": manifest.taken, "entries": head.size},
            )
            log.append(session, registry, entry, now=now)
            session.commit()
    finally:
        registry.close()
