"""Freezes what a version is registered from: which bytes under which paths, at that moment.

What anybody uploads to the same place later changes nothing about a version that is being checked.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from registry.core import mlflow_sources
from registry.core.mlflow_sources import OfRun, Place, Refused, Registered, Uploaded
from registry.core.oms import File
from registry.db import aliases, artifacts, registered, tables, versions, watermarks
from registry.db.engine import Session
from registry.db.tables_artifacts import Artifact


@dataclass(frozen=True, slots=True)
class Frozen:
    """The files of a model, and what proves whose they are.

    `signature` is the digest of the publisher's bundle where one was uploaded; `origin` the
    variant that this is a copy of.
    """

    files: tuple[File, ...]
    signature: str | None = None
    origin: tables.Variant | None = None


def freeze(session: Session, source: str, *, url: str = "", max_files: int) -> Frozen | Refused:
    """Resolve `source` as things are now; a refusal says what to do instead.

    `url` is the registry's own address, if it knows it.
    """
    match mlflow_sources.parse(source, url=url):
        case Refused() as refused:
            return refused
        case Uploaded(path):
            return _uploaded(session, path, max_files)
        case OfRun() as of_run:
            return _of_run(session, of_run, max_files)
        case Registered() as wanted:
            return _registered(session, wanted)
        case Place() as place:
            return _copied(session, place)


def _of_run(session: Session, wanted: OfRun, max_files: int) -> Frozen | Refused:
    folder = artifacts.folder_of_run(session, wanted.run_id, wanted.path)
    if folder is None:
        return Refused(
            f"run {wanted.run_id} has uploaded nothing below {wanted.path!r} to this registry"
        )
    return _uploaded(session, folder, max_files)


def _uploaded(session: Session, path: str, max_files: int) -> Frozen | Refused:
    single = artifacts.find(session, path)
    rows = [single] if single else artifacts.below(session, path, limit=max_files + 2)
    if not rows:
        return Refused(f"nothing was uploaded to mlflow-artifacts:/{path}")
    if len(rows) > max_files + 1:
        return Refused(f"mlflow-artifacts:/{path} has more than {max_files} files")
    return _with_signature(session, path, rows, is_folder=single is None)


def _with_signature(
    session: Session, path: str, rows: Iterable[Artifact], *, is_folder: bool
) -> Frozen:
    signature = None
    for place in mlflow_sources.signatures(path, is_folder=is_folder):
        signature = artifacts.find(session, place)
        if signature is not None:
            break
    start = f"{path}/" if is_folder else f"{path.rpartition('/')[0]}/".lstrip("/")
    files = tuple(
        File(row.path.removeprefix(start), row.digest, row.size)
        for row in rows
        if signature is None or row.path != signature.path
    )
    return Frozen(files, signature.digest if signature else None)


def _registered(session: Session, wanted: Registered) -> Frozen | Refused:
    model = registered.find_model(session, wanted.name)
    if model is None:
        return Refused(f"there is no registered model {wanted.name!r}")
    number = wanted.version
    if wanted.alias:
        alias = aliases.find(session, model.name, wanted.alias)
        if alias is None:
            return Refused(f"model {wanted.name!r} has no alias {wanted.alias!r}")
        number = alias.version
    elif not number:
        newest = registered.newest_ready(session, model.name)
        number = newest.version if newest else 0
    return _copied(session, Place(model.name, number, "", ""))


def _copied(session: Session, place: Place) -> Frozen | Refused:
    slug, number = place.slug, place.version
    if place.path:
        return Refused(f"{place.path!r} is a part of {slug} version {number}: register all of it")
    version = versions.find(session, slug, number)
    if version is None:
        return Refused(f"model {slug!r} has no version {number or 'that is ready'}")
    if version.status != tables.READY:
        return Refused(f"{slug} version {number} is {version.status}")
    wanted = place.variant or version.digest
    for row in versions.variants(session, version.id):
        if wanted in {row.name, row.digest}:
            return Frozen(_signed(session, row), origin=row)
    return Refused(f"{slug} version {number} has no variant {place.variant!r}")


def _signed(session: Session, row: tables.Variant) -> tuple[File, ...]:
    """What its publisher signed: of a marked variant the original, which is marked again."""
    if row.watermark is not None:
        return watermarks.sources(session, row.id)
    return tuple(File(file.path, file.digest, file.size) for file in row.files)
