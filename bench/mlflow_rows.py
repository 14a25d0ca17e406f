"""Fills MLflow's database with a population, past its API: ten thousand in seconds.

The rows are those that its own calls leave behind.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import column, create_engine, insert, table, text

from bench import mlflow
from bench.population import Member

_MODELS = table(
    "registered_models",
    *(column(name) for name in ("name", "creation_time", "last_updated_time", "workspace")),
)
_VERSIONS = table(
    "model_versions",
    *(column(name) for name in ("name", "creation_time", "last_updated_time", "workspace")),
    *(column(name) for name in ("version", "current_stage", "source", "run_id", "run_link")),
    *(column(name) for name in ("status", "description", "user_id", "storage_location")),
)
_TAGS = table(
    "model_version_tags",
    *(column(name) for name in ("key", "value", "name", "version", "workspace")),
)
_WORKSPACE = {"workspace": "default"}


def fill(peer: mlflow.Running, members: Iterable[Member], *, run: mlflow.Run) -> None:
    """Add `members`, each with its files under `run`; grows linearly."""
    found = list(members)
    engine = create_engine(peer.database.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        first = {member.model: member for member in reversed(found)}
        models = [_named(member) for member in first.values()]
        connection.execute(insert(_MODELS), models)
        connection.execute(insert(_VERSIONS), [_version(member, run) for member in found])
        tags = [
            _WORKSPACE
            | {"key": key, "value": value, "name": member.model, "version": member.version}
            for member in found
            for key, value in member.tags.items()
        ]
        connection.execute(insert(_TAGS), tags)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _named(member: Member) -> dict[str, object]:
    at = _milliseconds(member.at)
    return _WORKSPACE | {"name": member.model, "creation_time": at, "last_updated_time": at}


def _version(member: Member, run: mlflow.Run) -> dict[str, object]:
    place = f"{run.artifacts}/{member.model}/{member.version}"
    return _named(member) | {
        "version": member.version,
        "current_stage": "None",
        "source": place,
        "storage_location": place,
        "run_id": run.id,
        "run_link": "",
        "status": "READY",
        "description": "",
        "user_id": "",
    }


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
