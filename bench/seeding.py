"""Fills a registry's database with a population, past the API: a hundred thousand in a minute.

Each version is a copy of one that was really published, row for row, with its own number, digest,
time and tags; the log gets a true entry for each, hashed and signed as the registry does. Only
the digests are invented: nobody can pull these versions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, insert, select, text, update

from bench.population import Member
from registry.core import digest, entries, facts, merkle
from registry.core.entries import Entry, Kind
from registry.db import engine, schema
from registry.db import log as log_rows
from registry.db.engine import Database, Session
from registry.trust import keys, sign
from registry.usecases import documents
from registry.usecases.log import filed

_BATCH = 2000
_TABLES = schema.METADATA.tables
_MODELS, _VERSIONS, _VARIANTS = _TABLES["models"], _TABLES["versions"], _TABLES["variants"]
_FILES, _TAGS = _TABLES["files"], _TABLES["version_tags"]
_SAID = [_TABLES[name] for name in ("version_metrics", "version_parameters", "version_datasets")]
_LEAVES, _HASHES = _TABLES["log_entries"], _TABLES["log_hashes"]
# Those that others refer to come first.
_TOUCHED = [_MODELS, _LEAVES, _HASHES, _VERSIONS, _VARIANTS, _FILES, _TAGS, *_SAID]

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Prototype:
    """The rows of a published version; those of `said` are of any table."""

    model: Mapping[str, Any]
    version: Mapping[str, Any]
    variant: Mapping[str, Any]
    files: Sequence[Mapping[str, Any]]
    said: Mapping[Table, Sequence[Mapping[str, Any]]]


def fill(database: str, log_key: Path, members: Iterable[Member], *, like: tuple[str, int]) -> None:
    """Add `members`, each a copy of the version `like`, while nobody else writes.

    Grows linearly. On PostgreSQL the planner's statistics are renewed at the end, as autovacuum
    would within minutes.
    """
    opened, key = engine.connect(database), keys.load_log_key(log_key)
    waiting = iter(members)
    try:
        with opened.reading() as session:
            found = prototype(session, *like)
        while batch := list(islice(waiting, _BATCH)):
            with opened.writing() as session:
                _add(session, batch, found, key)
                session.commit()
        documents.renew(opened, documents.BEGINNING, lambda: False)
        _settle(opened)
    finally:
        opened.close()


def prototype(session: Session, model: str, version: int) -> Prototype:
    """The rows of a version that was really published."""

    def rows(table: Table, column: str, value: object) -> Sequence[Mapping[str, Any]]:
        found = session.execute(select(table).where(table.c[column] == value)).mappings()
        return [dict(row) for row in found]

    [row] = [row for row in rows(_VERSIONS, "model", model) if row["version"] == version]
    [variant] = rows(_VARIANTS, "version_id", row["id"])
    return Prototype(
        model=rows(_MODELS, "name", model)[0],
        version=row,
        variant=variant,
        files=rows(_FILES, "variant_id", variant["id"]),
        said={table: rows(table, "version_id", row["id"]) for table in _SAID},
    )


def _add(session: Session, batch: Sequence[Member], found: Prototype, key: keys.LogKey) -> None:
    head = log_rows.locked_head(session)
    log = Log(head.size, log_rows.frontier(session, head.size))
    made: dict[Table, Rows] = {table: [] for table in _TOUCHED}
    made[_MODELS] = _models(session, batch, found)
    version_id, variant_id = _last(session, _VERSIONS), _last(session, _VARIANTS)
    for number, member in enumerate(batch, 1):
        one = _Copy(member, version_id + number, variant_id + number, log.size)
        for table, rows in one.rows(found).items():
            made[table] += rows
        made[_HASHES] += log.append(made[_LEAVES][-1]["leaf"])
    for table, rows in made.items():
        if rows:
            session.execute(insert(table), rows)
    checkpoint = sign.sign_checkpoint(head.origin, log.size, log.root(), key)
    log_rows.move_head(session, old_size=head.size, new_size=log.size, checkpoint=checkpoint)


@dataclass(slots=True)
class Log:
    """The log as it grows: its size, and the hashes that the next leaf needs."""

    size: int
    known: dict[tuple[int, int], bytes]

    def append(self, leaf: bytes) -> Rows:
        """The rows of the hashes that it adds."""
        added = merkle.appended(self.size, leaf, self._find)
        self.known |= {(level, index): value for level, index, value in added}
        self.size += 1
        return [{"level": level, "index": index, "hash": value} for level, index, value in added]

    def root(self) -> bytes:
        return merkle.root(self.size, self._find)

    def _find(self, level: int, index: int) -> bytes:
        return self.known[level, index]


def _models(session: Session, batch: Sequence[Member], found: Prototype) -> Rows:
    """Those of `batch` that are not there; of the others, the next number moves on."""
    newest = {member.model: member for member in batch}
    there = set(session.scalars(select(_MODELS.c.name).where(_MODELS.c.name.in_(newest))))
    missing: Rows = []
    for name, member in newest.items():
        moved = {"next_version": member.version + 1, "updated_at": member.at}
        if name in there:
            session.execute(update(_MODELS).where(_MODELS.c.name == name).values(moved))
        else:
            missing.append(dict(found.model) | moved | {"name": name, "display_name": name})
    return missing


@dataclass(frozen=True, slots=True)
class _Copy:
    """One member with its place in the tables."""

    member: Member
    version_id: int
    variant_id: int
    log_index: int

    def rows(self, found: Prototype) -> Mapping[Table, Rows]:
        """All rows of this version, by table."""
        identity = {"model": self.member.model, "version": self.member.version}
        own = {"digest": self._digest, "created_at": self.member.at}
        of_version = {"version_id": self.version_id}
        version = own | identity | {"id": self.version_id, "updated_at": self.member.at}
        variant = own | of_version | {"id": self.variant_id, "log_index": self.log_index}
        copied = {
            table: [dict(row) | of_version for row in rows] for table, rows in found.said.items()
        }
        return copied | {
            _LEAVES: [identity | self._logged(found)],
            _VERSIONS: [dict(found.version) | version],
            _VARIANTS: [dict(found.variant) | variant],
            _FILES: [dict(row) | {"variant_id": self.variant_id} for row in found.files],
            _TAGS: [
                of_version | {"key": key, "value": value, "start": facts.start(value)}
                for key, value in self.member.tags.items()
            ],
        }

    @property
    def _digest(self) -> str:
        return digest.of(f"{self.member.model}@{self.member.version}".encode())

    def _logged(self, found: Prototype) -> dict[str, Any]:
        entry = Entry(
            time=self.member.at.isoformat(),
            kind=Kind.PUBLISHED,
            actor=found.version["actor"],
            model=self.member.model,
            version=self.member.version,
            digest=self._digest,
        )
        leaf = entries.encode(entry)
        row = {"index": self.log_index, "leaf": leaf, "kind": entry.kind, "at": self.member.at}
        return row | filed(entry)


def _last(session: Session, table: Table) -> int:
    return session.scalar(select(func.max(table.c.id))) or 0


def _settle(opened: Database) -> None:
    """PostgreSQL gives out ids from a counter, and plans by statistics: both are told."""
    if opened.engine.dialect.name != "postgresql":
        return
    autocommit = opened.engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        for table in (_VERSIONS, _VARIANTS):
            counter = func.pg_get_serial_sequence(table.name, "id")
            connection.execute(select(func.setval(counter, func.max(table.c.id))))
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
