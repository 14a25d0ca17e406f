"""MLflow's registry, as its clients call it: model versions, which are checked before READY."""

import asyncio
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from registry import errors
from registry.api import mlflow_wire as wire
from registry.api.access import Known, Opened, guarded
from registry.api.mlflow_wire import REGISTRY, Said
from registry.core import mlflow, mlflow_sources
from registry.core.canonical import Json
from registry.db import tables
from registry.db.registered import RegisteredVersion
from registry.usecases import (
    annotate,
    deletion,
    registered_models,
    registered_search,
    registration,
    scoping,
)
from registry.usecases.annotate import Edit
from registry.usecases.opening import Registry
from registry.usecases.registration import Wanted

router = guarded("mlflow", prefix=f"{REGISTRY}/model-versions")

# MLflow's client looks again after three seconds; most checks take less than these two.
_PATIENCE = 2.0
_LOOK_EVERY = 0.05


@router.post(
    "/create",
    summary="Register a version of uploaded files; it is checked before it is READY",
    openapi_extra=wire.body(
        "name",
        "source",
        run_id=wire.TEXT,
        run_link=wire.TEXT,
        model_id=wire.TEXT,
        description=wire.TEXT,
        tags=wire.TAGS,
    ),
)
def create(request: Request, registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    wanted = Wanted(
        name=mlflow.model_name(mlflow.text(said, "name", is_required=True)),
        source=mlflow.text(said, "source", is_required=True),
        run_id=mlflow.text(said, "run_id"),
        run_link=mlflow.text(said, "run_link"),
        model_id=mlflow.text(said, "model_id"),
        description=mlflow.text(said, "description"),
        tags=mlflow.tags(said),
    )
    scoping.require_source(registry, caller, wanted.source)
    version = registration.register(registry, wanted, caller)
    request.app.state.checkers.wake()
    return _document(version)


@router.get("/get", summary="One version", openapi_extra=wire.query("name", "version"))
async def get(registry: Opened, said: Said) -> dict[str, Any]:
    """Of one that is being checked the answer may take two seconds, to tell how it ended."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    version = await run_in_threadpool(_version, registry, said)
    while version.row.status == tables.PENDING and loop.time() < until:
        await asyncio.sleep(_LOOK_EVERY)
        version = await run_in_threadpool(_version, registry, said)
    return _document(version)


@router.get("/search", summary="Versions, the last changed first", openapi_extra=wire.SEARCH)
def search(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    asked = wire.asked(said, caller, default=10_000, most=200_000)
    found = registered_search.versions(registry, asked)
    items: list[Json] = [wire.version_document(version) for version in found.items]
    return wire.page_document("model_versions", items, found.token)


@router.patch(
    "/update",
    summary="Change a version's description",
    openapi_extra=wire.body("name", "version", description=wire.TEXT),
)
def update(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    edit = Edit(description=mlflow.text(said, "description"))
    return _change(registry, caller, said, edit)


@router.delete(
    "/delete",
    summary="Delete a version; its number is never given out again",
    openapi_extra=wire.body("name", "version"),
)
def delete(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    row = _version(registry, said).row
    deletion.delete_version(registry, row.model, row.version, caller)
    return {}


@router.get(
    "/get-download-uri",
    summary="Where a version's files are",
    openapi_extra=wire.query("name", "version"),
)
def get_download_uri(registry: Opened, said: Said) -> dict[str, Any]:
    row = _version(registry, said).row
    if row.status != tables.READY:
        reason = f": {row.status_message}" if row.status_message else ""
        raise errors.Conflict(
            f"Model Version (name={row.model}, version={row.version}) is "
            f"{mlflow.STATUSES[row.status]}{reason}"
        )
    url = registry.settings.url
    return {"artifact_uri": mlflow_sources.address(row.model, row.version, url=url)}


@router.post(
    "/transition-stage",
    response_model=None,
    summary="Refused: versions have no stages here, aliases say which one is meant",
    openapi_extra=wire.body("name", "version", "stage", archive_existing_versions=wire.FLAG),
)
def transition_stage(registry: Opened, said: Said) -> dict[str, Any] | Response:
    version = _version(registry, said)
    stage = mlflow.text(said, "stage", is_required=True)
    if stage.lower() == mlflow.STAGE.lower():
        return _document(version)
    alias = stage.lower() if stage.isascii() and stage.isidentifier() else "champion"
    return wire.refuse(
        "INVALID_PARAMETER_VALUE",
        f"Versions have no stages here. Point an alias at this one instead: "
        f"set_registered_model_alias({version.name!r}, {alias!r}, '{version.row.version}').",
    )


@router.post(
    "/set-tag",
    summary="Set a version's tag",
    openapi_extra=wire.body("name", "version", "key", value=wire.TEXT),
)
def set_tag(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    _change(registry, caller, said, Edit(tags={mlflow.tag_key(said): mlflow.text(said, "value")}))
    return {}


@router.delete(
    "/delete-tag",
    summary="Remove a version's tag",
    openapi_extra=wire.body("name", "version", "key"),
)
def delete_tag(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    _change(registry, caller, said, Edit(tags={mlflow.tag_key(said): None}))
    return {}


def _change(registry: Registry, caller: Known, said: dict[str, Json], edit: Edit) -> dict[str, Any]:
    row = _version(registry, said).row
    annotate.change_version(registry, row.model, row.version, edit, caller)
    return _document(_version(registry, said))


def _version(registry: Registry, said: dict[str, Json]) -> RegisteredVersion:
    name = mlflow.text(said, "name", is_required=True)
    number = mlflow.text(said, "version", is_required=True)
    return registered_models.version(registry, name, number)


def _document(version: RegisteredVersion) -> dict[str, Any]:
    return {"model_version": wire.version_document(version)}
