"""Fills a registry's log with a fleet's life: publications with true proofs, and what hosts do.

Of fifty entries one is a publication, whose manifest, signatures and statement are all real; the
others tell how six hosts fetched, verified, loaded and served that version, as a reconciler and
its hosts report it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update

from bench import registries, seeding
from registry.core import canonical, digest, entries, manifest, oms, statement
from registry.core.entries import Entry, Kind
from registry.db import engine, schema
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.trust import keys, sign
from registry.usecases.log import filed

BLOCK = 50
_HOSTS = 6
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_ON_A_HOST = (
    Kind.STARTING, Kind.PULLED, Kind.VERIFIED, Kind.LOADED, Kind.STARTED, Kind.DEPLOYING,
    Kind.DEPLOYED, Kind.REMOVED,
)  # fmt: skip
_TABLES = schema.METADATA.tables
_TOUCHED = [_TABLES[name] for name in ("log_entries", "log_hashes", "versions", "variants")]
_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class _Keys:
    log: keys.LogKey
    registry: keys.SigningKey
    publisher: keys.SigningKey


def fill(installation: registries.Installation, count: int, *, like: tuple[str, int]) -> None:
    """Append entries, in whole blocks, until the log has `count` or a few more."""
    folder = installation.data / "keys"
    signing = _Keys(
        keys.load_log_key(folder / "log.pem"),
        keys.load_signing_key(folder / "registry.pem"),
        installation.key,
    )
    opened = engine.connect(installation.database_url)
    try:
        with opened.reading() as session:
            found = seeding.prototype(session, *like)
        while _add(opened, found, signing, like[0], count):
            pass
    finally:
        opened.close()


def _add(
    opened: engine.Database, found: seeding.Prototype, signing: _Keys, model: str, count: int
) -> bool:
    """A hundred blocks at most; False where there are enough entries."""
    with opened.writing() as session:
        head = log_rows.locked_head(session)
        blocks = min(_TOGETHER, -(-(count - head.size) // BLOCK))
        if blocks <= 0:
            return False
        log = seeding.Log(head.size, log_rows.frontier(session, head.size))
        made: dict[str, list[dict[str, Any]]] = {table.name: [] for table in _TOUCHED}
        ids = _Ids(_last(session, "versions"), _last(session, "variants"))
        number = session.scalar(select(func.max(_TABLES["versions"].c.version))) or 0
        for block in range(1, blocks + 1):
            _block(log, made, _Published(found, signing, model, number + block), ids)
        for table in _TOUCHED:
            session.execute(insert(table), made[table.name])
        models = _TABLES["models"]
        moved = update(models).where(models.c.name == model)
        session.execute(moved.values(next_version=number + blocks + 1))
        signed = sign.sign_checkpoint(head.origin, log.size, log.root(), signing.log)
        log_rows.move_head(session, old_size=head.size, new_size=log.size, checkpoint=signed)
        session.commit()
        return True


@dataclass(slots=True)
class _Ids:
    version: int
    variant: int


@dataclass(frozen=True, slots=True)
class _Published:
    """One version, made like the prototype, under its own number."""

    found: seeding.Prototype
    signing: _Keys
    model: str
    version: int

    @property
    def files(self) -> list[oms.File]:
        return [
            oms.File(row["path"], digest.of(f"{self.version} {row['path']}".encode()), row["size"])
            for row in self.found.files
        ]

    def built(self) -> manifest.Built:
        return manifest.build(
            model=self.model, version=self.version, format="onnx", files=self.files
        )

    def bundles(self, built: manifest.Built) -> dict[str, bytes]:
        said = statement.Version(
            self.model, self.version, built.digest, "onnx", registries.PUBLISHER
        )
        publisher = sign.sign_model(self.model, self.files, self.signing.publisher)
        return {
            "publisher_bundle": canonical.encode(publisher),
            "registry_bundle": canonical.encode(sign.sign_version(said, self.signing.registry)),
        }


def _block(
    log: seeding.Log, made: dict[str, list[dict[str, Any]]], one: _Published, ids: _Ids
) -> None:
    built = one.built()
    index = log.size
    for entry in _entries(one, built.digest, index):
        leaf = entries.encode(entry)
        at = datetime.fromisoformat(entry.time)
        made["log_entries"].append(
            {"index": log.size, "leaf": leaf, "kind": entry.kind, "at": at, "model": entry.model,
             "version": entry.version, **filed(entry)}
        )  # fmt: skip
        made["log_hashes"] += log.append(leaf)
    ids.version, ids.variant = ids.version + 1, ids.variant + 1
    made["versions"].append(
        dict(one.found.version)
        | {"id": ids.version, "version": one.version, "digest": built.digest}
    )
    made["variants"].append(
        dict(one.found.variant)
        | {"id": ids.variant, "version_id": ids.version, "digest": built.digest,
           "config": built.config, "config_digest": digest.of(built.config),
           "manifest": built.manifest, "log_index": index}
        | one.bundles(built)
    )  # fmt: skip


def _entries(one: _Published, named: str, start: int) -> Iterator[Entry]:
    commit = f"{one.version:040x}"
    for offset in range(BLOCK):
        at = _BEGIN + timedelta(seconds=start + offset)
        about: dict[str, Any] = {"model": one.model, "version": one.version, "digest": named}
        time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if offset == 0:
            detail: dict[str, Any] = {"publisher": registries.PUBLISHER, "format": "onnx"}
            yield Entry(
                time=time, kind=Kind.PUBLISHED, actor="publisher:ci", detail=detail, **about
            )
            continue
        host, step = divmod(offset - 1, len(_ON_A_HOST))
        yield Entry(
            time=time,
            kind=_ON_A_HOST[step] if host < _HOSTS else Kind.TESTED,
            actor="reconciler:main",
            host=f"edge-{host + 1}",
            deployment=f"production/{one.model}",
            commit=commit,
            reason=f"commit {commit[:12]} wants version {one.version}",
            **about,
        )


def _last(session: Session, table: str) -> int:
    return session.scalar(select(func.max(_TABLES[table].c.id))) or 0
