"""Reads: models, versions, aliases, deployments, the latest of the log."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.core import entries
from registry.core.entries import Entry
from registry.db import aliases, log, reports, versions
from registry.db.tables import Alias, AliasChange, Deployment, Model, Version
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Overview:
    """A model with its versions, newest first, and its aliases."""

    model: Model
    versions: Sequence[Version]
    aliases: Sequence[Alias]


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of the log, and where it stands."""

    index: int
    entry: Entry


def models(registry: Registry) -> list[Overview]:
    """Every model, by name."""
    with registry.database.reading() as session:
        return [
            Overview(
                model,
                versions.of_model(session, model.name),
                aliases.of_model(session, model.name),
            )
            for model in versions.models(session)
        ]


def model(registry: Registry, name: str) -> Overview:
    """Raises NotFound."""
    with registry.database.reading() as session:
        return Overview(
            versions.model(session, name),
            versions.of_model(session, name),
            aliases.of_model(session, name),
        )


def version(registry: Registry, name: str, number: int) -> Version:
    """Raises NotFound."""
    with registry.database.reading() as session:
        return versions.version(session, name, number)


def alias(registry: Registry, model_name: str, name: str) -> tuple[Alias, Sequence[AliasChange]]:
    """Where it points, and every move it made, newest first; raises NotFound."""
    with registry.database.reading() as session:
        found = aliases.get(session, model_name, name)
        return found, aliases.history(session, model_name, name)


def deployments(registry: Registry) -> Sequence[Deployment]:
    """The last status of each, by environment and name."""
    with registry.database.reading() as session:
        return reports.deployments(session)


def deployment(registry: Registry, environment: str, name: str) -> Deployment:
    """Raises NotFound."""
    with registry.database.reading() as session:
        return reports.deployment(session, environment, name)


def latest(
    registry: Registry, *, limit: int, model_name: str | None = None, before: int | None = None
) -> list[Logged]:
    """The newest entries (of one model; below an index), newest first."""
    with registry.database.reading() as session:
        found = log.latest(session, limit=limit, model=model_name, before=before)
    return [Logged(index, entries.decode(leaf)) for index, leaf in found]
