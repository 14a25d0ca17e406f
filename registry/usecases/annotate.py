"""Edits what may be edited of models and versions: names, owners, descriptions, cards, tags.

Each edit is an entry in the log. It tells the keys and values of tags, and of free text only the
digest: the log forgets nothing, and free text may have to be forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from registry import errors
from registry.core import card, digest, entries, facts, names
from registry.core.canonical import Json
from registry.db import labels, registered, tables, versions
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.usecases import log
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

_SHOWN = 256
_NAME_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Edit:
    """What shall change; None and what is not listed stay. A tag's value None removes it."""

    description: str | None = None
    owner: str | None = None
    display_name: str | None = None
    project: str | None = None
    card: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)


def create_model(
    registry: Registry, name: str, edit: Edit, by: Caller, *, display_name: str = ""
) -> None:
    """A model without a version yet; raises Conflict where there is one of this name."""
    names.slug(name)
    _require_sound(edit)
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        called = display_name or edit.display_name or name
        _require_unused(session, called, by_other_than=name)
        model, is_new = versions.ensure_model(session, name, display_name=called, now=now)
        if not is_new:
            raise errors.Conflict(f"model {name!r} exists", fix="choose another name")
        _apply_to_model(model, edit)
        labels.set_model_tags(session, name, edit.tags)
        _log(session, registry, entries.Kind.MODEL_CREATED, edit, by, model=name)
        session.commit()


def change_model(registry: Registry, name: str, edit: Edit, by: Caller) -> None:
    """Raises NotFound, and Conflict where the display name is another model's."""
    _require_sound(edit)
    if edit.card is not None:
        raise errors.InvalidInput("a model has no card, its versions have")
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        model = versions.model(session, name)
        _apply_to_model(model, edit)
        if edit.display_name is not None:
            _require_unused(session, edit.display_name, by_other_than=name)
            model.display_name = edit.display_name
        model.updated_at = datetime.now(UTC)
        session.flush()
        labels.set_model_tags(session, name, edit.tags)
        _log(session, registry, entries.Kind.MODEL_CHANGED, edit, by, model=name)
        session.commit()


def change_version(registry: Registry, name: str, number: int, edit: Edit, by: Caller) -> None:
    """Raises NotFound, and Conflict where the version's fields were erased."""
    _require_sound(edit)
    if edit.display_name is not None:
        raise errors.InvalidInput("a version has no display name, its model has")
    if edit.project is not None:
        raise errors.InvalidInput("a version has no project, its model has")
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        version = versions.version(session, name, number)
        if version.status == tables.ERASED:
            raise errors.Conflict(f"{name} version {number} was erased, and stays so")
        _apply(version, edit)
        if edit.card is not None:
            version.card = edit.card
        version.updated_at = datetime.now(UTC)
        labels.set_version_tags(session, version.id, edit.tags)
        _log(session, registry, entries.Kind.VERSION_CHANGED, edit, by, model=name, version=version)
        session.commit()


def _require_unused(session: Session, display_name: str, *, by_other_than: str) -> None:
    """A dialect finds models by either name, so no model may be called like another's slug."""
    found = registered.namesake(session, display_name)
    if found is not None and found.name != by_other_than:
        raise errors.Conflict(
            f"{display_name[:80]!r} is a name of model {found.name!r}", fix="choose another name"
        )


def _apply_to_model(model: tables.Model, edit: Edit) -> None:
    _apply(model, edit)
    if edit.project is not None:
        model.project = edit.project


def _apply(row: tables.Model | tables.Version, edit: Edit) -> None:
    if edit.description is not None:
        row.description = edit.description
    if edit.owner is not None:
        row.owner = edit.owner


def _require_sound(edit: Edit) -> None:
    facts.require_text(edit.description or "", what="description")
    facts.require_text(edit.owner or "", what="owner", limit=256)
    facts.require_tags({key: value or "" for key, value in edit.tags.items()})
    if edit.project:
        names.slug(edit.project, what="project name")
    if edit.card is not None:
        facts.require_text(edit.card, what="card", limit=facts.CARD_LIMIT)
        card.front_matter(edit.card)
    if edit.display_name is not None:
        name = facts.require_text(edit.display_name, what="display name", limit=_NAME_LIMIT)
        if not name.strip() or "/" in name or ":" in name:
            raise errors.InvalidName(
                f"display name {name[:80]!r} is not allowed",
                fix="use any text without '/' and ':', such as 'Fraud, Europe'",
            )


def _log(  # noqa: PLR0913  what an entry tells
    session: Session,
    registry: Registry,
    kind: entries.Kind,
    edit: Edit,
    by: Caller,
    *,
    model: str,
    version: tables.Version | None = None,
) -> None:
    now = datetime.now(UTC)
    entry = entries.Entry(
        time=log.stamp(now),
        kind=kind,
        actor=by.actor,
        model=model,
        version=version.version if version else 0,
        digest=(version.digest or "") if version else "",
        detail=_told(edit),
    )
    log.append(session, registry, entry, now=now)


def _told(edit: Edit) -> dict[str, Json]:
    texts = {
        "description": edit.description,
        "displayName": edit.display_name,
        "card": edit.card,
    }
    told: dict[str, Json] = {
        name: digest.of(text.encode()) for name, text in texts.items() if text is not None
    }
    if edit.owner is not None:
        # Not even its digest: there are so few names that each can be tried.
        told["owner"] = "changed"
    if edit.project is not None:
        told["project"] = edit.project
    tags: dict[str, Json] = {
        key: None if value is None else value[:_SHOWN] for key, value in edit.tags.items()
    }
    return told | ({"tags": tags} if tags else {})
