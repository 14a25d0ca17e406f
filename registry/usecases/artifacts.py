"""Artifacts as MLflow's clients see them: a staging tree to upload to, and versions to read.

Paths below `models/` are the files of versions; all others are uploads, which anybody who may
publish can replace or remove. Registering a version freezes what is there at that moment.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from registry import errors
from registry.core import mlflow_sources
from registry.core.mlflow_sources import Place
from registry.db import artifacts, blobs, tables
from registry.db import log as log_rows
from registry.db.artifacts import Child
from registry.db.engine import Session
from registry.db.tables_artifacts import Artifact
from registry.store.blobs import Stored
from registry.usecases import pull
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry

# A host that fetches a version file by file has pulled it once.
_ONE_PULL = timedelta(minutes=10)


def require_free(registry: Registry, path: str) -> str:
    """`path`, if a file can be uploaded there; asked before its bytes are taken in.

    Raises InvalidName, Forbidden below `models/`, or Conflict where a folder or a file is in
    the way.
    """
    checked = mlflow_sources.artifact_path(path)
    with registry.database.reading() as session:
        _require_free(session, checked)
    return checked


def point(registry: Registry, path: str, stored: Stored, by: Caller) -> None:
    """Let `path` lead to these bytes from now on; raises like `require_free`."""
    checked = mlflow_sources.artifact_path(path)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        _require_free(session, checked)
        if blobs.missing(session, [stored.digest]):
            raise errors.Conflict("the bytes were removed meanwhile", fix="upload them again")
        new = Artifact(
            path=checked,
            digest=stored.digest,
            size=stored.size,
            actor=by.actor,
            created_at=datetime.now(UTC),
        )
        artifacts.point(session, new)
        session.commit()


def remove(registry: Registry, path: str) -> int:
    """Remove an uploaded file, or all below a folder; says how many. Raises NotFound."""
    checked = mlflow_sources.artifact_path(path)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        count = artifacts.remove(session, checked)
        if not count:
            raise _missing(path)
        session.commit()
        return count


def children(registry: Registry, path: str) -> list[Child]:
    """What is directly in a folder, by name; nothing where there is no such folder."""
    place = mlflow_sources.place(path)
    with registry.database.reading() as session:
        if place is None:
            folder = path.strip("/")
            return artifacts.children(session, folder and mlflow_sources.artifact_path(folder))
        variant = _variant(session, place)
        files = {file.path: file.size for file in variant.files}
    return _children(files.items(), place.path)


def digest_of(registry: Registry, path: str, by: Caller) -> str:
    """The digest of the file at `path`; raises NotFound. A host's pull is put on record first."""
    place = mlflow_sources.place(path)
    if place is None:
        with registry.database.reading() as session:
            found = artifacts.find(session, mlflow_sources.artifact_path(path))
        if found is None:
            raise _missing(path)
        return found.digest
    with registry.database.reading() as session:
        variant = _variant(session, place)
        files = {file.path: file.digest for file in variant.files}
    if place.path not in files:
        raise _missing(path)
    if by.role is Role.HOST:
        _record(registry, place, variant, by)
    return files[place.path]


def _record(registry: Registry, place: Place, variant: tables.Variant, host: Caller) -> None:
    key, now = (host.name, variant.digest), datetime.now(UTC)
    last = registry.pulls.get(key)
    if last is None or now - last > _ONE_PULL:
        pull.record(registry, pull.Asked(place.slug, place.version, variant.name), host)
        registry.pulls.put(key, now)


def _variant(session: Session, place: Place) -> tables.Variant:
    return pull.chosen(session, pull.Asked(place.slug, place.version, place.variant))


def _children(files: Iterable[tuple[str, int]], folder: str) -> list[Child]:
    start = f"{folder}/" if folder else ""
    found: dict[str, int | None] = {}
    for path, size in files:
        if path.startswith(start):
            name, slash, _ = path.removeprefix(start).partition("/")
            found[name] = None if slash else size
    return [Child(name, found[name]) for name in sorted(found)]


def _require_free(session: Session, path: str) -> None:
    other = artifacts.in_the_way(session, path)
    if other is not None:
        raise errors.Conflict(
            f"{path[:200]!r} cannot be a file, for {other[:200]!r} is there",
            fix="remove that first, or upload elsewhere",
        )


def _missing(path: str) -> errors.NotFound:
    return errors.NotFound(f"no artifact {path[:200]!r}")
