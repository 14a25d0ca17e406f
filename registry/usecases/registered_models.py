"""Registered models in MLflow's words: found by the name people gave them, made under a slug.

A model keeps its slug for ever; its display name may change. No display name is another model's
slug, so a name never means two models, whichever dialect it is said in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from registry import errors
from registry.core import mlflow
from registry.db import aliases, registered
from registry.db.engine import Session
from registry.db.registered import RegisteredModel, RegisteredVersion
from registry.db.tables import Model
from registry.usecases import annotate
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

_SLUGS_TRIED = 1000
_RACES = 5


@dataclass(frozen=True, slots=True)
class Done:
    """The model as it is now."""

    model: RegisteredModel


@dataclass(frozen=True, slots=True)
class Taken:
    """Another model has the name; `reason` is the sentence that says so."""

    reason: str


def create(
    registry: Registry, name: str, *, description: str, tags: Mapping[str, str], by: Caller
) -> Done | Taken:
    """Make a model of this name, under the first free slug; a deleted one is brought back."""
    mlflow.model_name(name)
    edit = annotate.Edit(description=description, tags=tags)
    for _ in range(_RACES):
        with registry.database.reading() as session:
            other = registered.namesake(session, name)
            if other is not None and other.deleted_at is None:
                return _taken(name, other)
            slug = other.name if other is not None else _free_slug(session, name)
        try:
            annotate.create_model(registry, slug, edit, by, display_name=name)
        except errors.Conflict:
            continue  # somebody was first: the name is taken now, or the slug alone
        return Done(model(registry, name))
    raise errors.Busy(f"others keep taking the slugs for {name[:80]!r}", fix="try again")


def rename(registry: Registry, name: str, new_name: str, by: Caller) -> Done | Taken:
    """Give the model another display name; raises NotFound."""
    if not new_name.strip():
        raise mlflow.missing("new_name")
    mlflow.model_name(new_name)
    with registry.database.reading() as session:
        found = _found(session, name)
        other = registered.namesake(session, new_name)
        if other is not None and other.name != found.name:
            return _taken(new_name, other)
    annotate.change_model(registry, found.name, annotate.Edit(display_name=new_name), by)
    return Done(model(registry, new_name))


def model(registry: Registry, name: str) -> RegisteredModel:
    """By display name, else by slug; raises NotFound."""
    with registry.database.reading() as session:
        return registered.models(session, [_found(session, name).name])[0]


def slug(registry: Registry, name: str) -> str:
    """The slug of the model of this name; raises NotFound."""
    with registry.database.reading() as session:
        return _found(session, name).name


def version(registry: Registry, name: str, said: str) -> RegisteredVersion:
    """Pending, ready or failed; raises NotFound, also for one that is gone."""
    mlflow.model_name(name)
    number = mlflow.version_number(said)
    with registry.database.reading() as session:
        found = registered.find_model(session, name)
        row = registered.find_version(session, found.name, number) if found else None
        if row is None:
            raise mlflow.no_version(name, said.strip()[:40])
        return registered.versions(session, [row.id])[0]


def by_alias(registry: Registry, name: str, alias: str) -> RegisteredVersion | None:
    """Where the alias points, `latest` to the newest that is ready; None for no such alias."""
    with registry.database.reading() as session:
        found = _found(session, name)
        if alias.lower() == "latest":
            row = registered.newest_ready(session, found.name)
            if row is None:
                raise errors.NotFound(f"Latest version not found for model {name[:256]}.")
        else:
            pointing = aliases.find(session, found.name, alias)
            if pointing is None:
                return None
            row = registered.find_version(session, found.name, pointing.version)
            if row is None:
                raise mlflow.no_version(name, pointing.version)
        return registered.versions(session, [row.id])[0]


def _found(session: Session, name: str) -> Model:
    mlflow.model_name(name)
    found = registered.find_model(session, name)
    if found is None:
        raise mlflow.no_model(name)
    return found


def _free_slug(session: Session, name: str) -> str:
    for candidate in islice(mlflow.slugs(name), _SLUGS_TRIED):
        if registered.namesake(session, candidate) is None:
            return candidate
    raise errors.InvalidName(
        f"Invalid model name '{name[:256]}': {_SLUGS_TRIED} models have names like it",
        fix="choose a name that differs in letters or digits",
    )


def _taken(name: str, other: Model) -> Taken:
    also = "" if other.display_name == name else f" It is the slug of {other.display_name!r}."
    return Taken(f"Registered Model (name={name}) already exists.{also}")
