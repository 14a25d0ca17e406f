"""Recipes that clients leave with the registry: taken in, told of, withdrawn.

What an order is called follows from what it asks for, so the same one again is the same order,
and a client that lost sight of it finds it. Who runs it is in `carrying_out`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import canonical, names
from registry.core.canonical import Json
from registry.core.identity import Caller
from registry.core.oms import File
from registry.core.recipes import planning
from registry.core.recipes.kinds import OptimisationRecipe
from registry.db import blobs
from registry.db import log as log_rows
from registry.db import optimisations as rows
from registry.db.engine import Session
from registry.db.tables_optimisations import Optimisation
from registry.usecases import pull, scoping, transfers
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked

MOST_WAITING = 100
_MOST_PATHS = 16


@dataclass(frozen=True, slots=True)
class Order:
    """A row, and the files that came of it."""

    row: Optimisation
    made: tuple[File, ...]


def place(
    registry: Registry, recipe: str, files: Mapping[str, str], by: Caller
) -> tuple[Order, bool]:
    """Leave a recipe; `files` are the digests of the samples by the path that it names them by.

    Says whether it is new. Raises InvalidDesiredState, InvalidInput, MissingContent, NotFound,
    DigestMismatch, Unsupported where this registry runs none, Busy where too many wait.
    """
    if not registry.settings.running.optimisations:
        raise errors.Unsupported(
            "this registry runs no recipes",
            fix="set optimisations = 1 there, or run plimsoll optimise without --remote",
        )
    read = planning.read("recipe", recipe.encode())
    asked = _asked(read)
    scoping.require(registry, by, asked.model)
    _require_files(read, files)
    with registry.database.reading() as session:
        variant = pull.chosen(session, asked)
        version_id, digest = variant.version_id, variant.digest
    if asked.digest and digest != asked.digest:
        raise errors.DigestMismatch(
            f"{asked.model} version {asked.version} has the digest {digest}, the recipe names "
            f"{asked.digest}",
            fix="review the version that is meant, and write its digest",
        )
    data = _held(registry, files)
    name = _name(recipe, digest, files)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        is_new = _insert(session, name, read, (version_id, recipe, by.actor), data)
        session.commit()
    return find(registry, name), is_new


def find(registry: Registry, name: str) -> Order:
    """The order of this id; raises NotFound."""
    with registry.database.reading() as session:
        row = rows.find(session, name)
        if row is None:
            raise _unknown(name)
        return Order(row, rows.files(session, name, rows.MADE))


def page(
    registry: Registry, *, before: tuple[datetime, str] | None, limit: int
) -> Sequence[Optimisation]:
    """The newest first."""
    with registry.database.reading() as session:
        return rows.page(session, before=before, limit=limit)


def withdraw(registry: Registry, name: str, by: Caller) -> None:
    """Forget the order and what came of it; one that is being run ends with its step.

    Raises NotFound, Forbidden.
    """
    scoping.require(registry, by, find(registry, name).row.version.model)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        rows.drop(session, [name])
        session.commit()


def _asked(read: OptimisationRecipe) -> Asked:
    source = read.spec.model
    if source.name is None or source.version is None:
        raise errors.InvalidInput(
            "spec.model names a file, and the registry has none of yours",
            fix="publish it, and write model: {name, version, digest}",
        )
    return Asked(source.name, source.version, digest=source.digest or "")


def _require_files(read: OptimisationRecipe, files: Mapping[str, str]) -> None:
    wanted = list(planning.paths(read.spec))
    names.file_paths(wanted)
    if set(files) != set(wanted) or len(wanted) > _MOST_PATHS:
        raise errors.InvalidInput(
            f"the recipe names the files {', '.join(sorted(wanted))}, and came with "
            f"{', '.join(sorted(files)) or 'none'}",
            fix=f"upload each and name its digest in files; at most {_MOST_PATHS}",
        )


def _held(registry: Registry, files: Mapping[str, str]) -> tuple[File, ...]:
    found = []
    for path, digest in sorted(files.items()):
        size = registry.blobs.size(digest) if transfers.hold(registry, digest) else None
        if size is None:
            raise _missing(path, digest)
        found.append(File(path, digest, size))
    return tuple(found)


def _insert(
    session: Session,
    name: str,
    read: OptimisationRecipe,
    asked: tuple[int, str, str],
    data: Sequence[File],
) -> bool:
    """Again from the beginning where it failed; as it is where it is under way or done."""
    known = rows.find(session, name)
    if known is not None and known.state != rows.FAILED:
        return False
    if known is not None:
        rows.drop(session, [name])
        session.expunge(known)
    if rows.waiting(session) >= MOST_WAITING:
        raise errors.Busy(f"{MOST_WAITING} recipes wait to be run", fix="try again later")
    if gone := blobs.missing(session, [one.digest for one in data]):
        path = next(one.path for one in data if one.digest in gone)
        raise _missing(path, min(gone))
    now, (version_id, recipe, actor) = datetime.now(UTC), asked
    row = Optimisation(
        id=name, version_id=version_id, name=read.metadata.name, recipe=recipe, actor=actor,
        state=rows.WAITING, reason="", phase="waiting", done=0, total=0, attempts=0, worker="",
        due_at=now, created_at=now, updated_at=now,
    )  # fmt: skip
    rows.add(session, row, data)
    return True


def _name(recipe: str, digest: str, files: Mapping[str, str]) -> str:
    said: dict[str, Json] = {"recipe": recipe, "model": digest, "files": dict(files)}
    return hashlib.sha256(canonical.encode(said)).hexdigest()[:32]


def _missing(path: str, digest: str) -> errors.MissingContent:
    return errors.MissingContent(f"{path}: {digest} is not here", fix="upload it first")


def _unknown(name: str) -> errors.NotFound:
    return errors.NotFound(
        f"no recipe {name[:64]!r} was left here",
        fix="leave it again: plimsoll optimise RECIPE --remote",
    )
