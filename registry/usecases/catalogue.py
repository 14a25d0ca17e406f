"""Reads: models, versions, aliases, deployments, the latest of the log."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.core import entries
from registry.core.entries import Entry
from registry.db import aliases, evidence, log, reports, versions, whole
from registry.db import documents as rows
from registry.db.engine import Session
from registry.db.evidence import Shown
from registry.db.tables import Alias, Model, ModelTag
from registry.db.tables_log import Deployment
from registry.usecases import documents, search
from registry.usecases.opening import Registry

_SHOWN = 100
_NEWEST = search.Asked()


@dataclass(frozen=True, slots=True)
class Overview:
    """A model with its newest versions, newest first, its aliases, and how many there are.

    `token` brings the versions behind them; None where these are all.
    """

    model: Model
    tags: Sequence[ModelTag]
    versions: Sequence[whole.Version]
    aliases: Sequence[Alias]
    count: int
    token: str | None


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of the log, and where it stands."""

    index: int
    entry: Entry


def model(registry: Registry, name: str, *, limit: int = search.PAGE, token: str = "") -> Overview:
    """With a page of its versions; raises NotFound, InvalidInput."""
    with registry.database.reading() as session:
        asked = search.Asked(limit=limit, token=token)
        return overview(session, versions.model(session, name), asked)


def overview(session: Session, found: Model, asked: search.Asked = _NEWEST) -> Overview:
    newest = search.page_of_model(session, found.name, asked)
    return Overview(
        found,
        versions.model_tags(session, found.name),
        newest.items,
        aliases.of_model(session, found.name),
        versions.count(session, found.name),
        newest.token,
    )


def aliases_of(registry: Registry, name: str, number: int) -> list[str]:
    """The aliases that point at a version, by name."""
    with registry.database.reading() as session:
        return [one.alias for one in aliases.of_model(session, name) if one.version == number]


def version(registry: Registry, name: str, number: int) -> whole.Version:
    """Like `shown`, without the evidence."""
    return shown(registry, name, number).version


def shown(registry: Registry, name: str, number: int) -> Shown:
    """With all that its document shows; raises NotFound. Not to be changed: others share it."""
    with registry.database.reading() as session:
        now = versions.identity(session, name, number)
        if now is None:
            raise versions.missing(session, name, number)
        known = registry.versions.get((now.id, now.updated_at))
        if known is not None:
            return known
        (row,) = whole.load(session, [now.id])
        found = Shown(row, evidence.newest(session, row.id, limit=_SHOWN))
    registry.versions.put((row.id, row.updated_at), found)
    return found


def document(registry: Registry, name: str, number: int) -> str | Shown:
    """Its document, ready, or with evidence on it, all that it shows; raises NotFound."""
    with registry.database.asking() as connection:
        found = rows.one(connection, name, number)
    if found is not None and found.content is not None and not found.is_proven:
        return found.content + documents.NONE
    if found is not None and found.is_proven:
        return shown(registry, name, number)
    with registry.database.reading() as session:
        now = versions.identity(session, name, number)
        if now is None:
            raise versions.missing(session, name, number)
        (row,) = whole.load(session, [now.id])
    return documents.text(row) + documents.NONE


def card(registry: Registry, name: str, number: int) -> str:
    """The version's model card, empty where it has none; raises NotFound."""
    with registry.database.reading() as session:
        return versions.card(session, versions.version(session, name, number).id)


def deployments(registry: Registry) -> Sequence[Deployment]:
    """The last status of each, by environment and name."""
    with registry.database.reading() as session:
        return reports.deployments(session)


def deployment(registry: Registry, environment: str, name: str) -> Deployment:
    """Raises NotFound."""
    with registry.database.reading() as session:
        return reports.deployment(session, environment, name)


def model_of(row: Deployment) -> str:
    """The model that Git wants deployed; empty where it wants none any more."""
    desired = row.document.get("desired")
    found = desired.get("model") if isinstance(desired, dict) else None
    return found if isinstance(found, str) else ""


def latest(
    registry: Registry, *, limit: int, model_name: str | None = None, before: int | None = None
) -> list[Logged]:
    """The newest entries (of one model; below an index), newest first."""
    with registry.database.reading() as session:
        found = log.latest(session, limit=limit, model=model_name, before=before)
    return [Logged(index, entries.decode(leaf)) for index, leaf in found]
