"""MLflow's registry, as its clients call it: registered models, their tags and aliases."""

from typing import Any

from fastapi.responses import JSONResponse, Response

from registry.api import mlflow_wire as wire
from registry.api.access import Known, Opened, guarded
from registry.api.mlflow_wire import REGISTRY, Said
from registry.core import mlflow
from registry.core.canonical import Json
from registry.usecases import aliases, annotate, deletion, registered_models, registered_search
from registry.usecases.aliases import Move
from registry.usecases.annotate import Edit

router = guarded("mlflow", prefix=f"{REGISTRY}/registered-models")

_ALIAS_REASON = "set through MLflow"


@router.post(
    "/create",
    summary="Make a registered model",
    openapi_extra=wire.body("name", description=wire.TEXT, tags=wire.TAGS),
)
def create(registry: Opened, caller: Known, said: Said) -> JSONResponse:
    name = mlflow.text(said, "name", is_required=True)
    outcome = registered_models.create(
        registry,
        name,
        description=mlflow.text(said, "description"),
        tags=mlflow.tags(said),
        by=caller,
    )
    return _outcome(outcome)


@router.post(
    "/rename",
    summary="Give a registered model another display name; its slug stays",
    openapi_extra=wire.body("name", "new_name"),
)
def rename(registry: Opened, caller: Known, said: Said) -> JSONResponse:
    name = mlflow.text(said, "name", is_required=True)
    new_name = mlflow.text(said, "new_name", is_required=True)
    return _outcome(registered_models.rename(registry, name, new_name, caller))


@router.patch(
    "/update",
    summary="Change a registered model's description",
    openapi_extra=wire.body("name", description=wire.TEXT),
)
def update(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    slug = registered_models.slug(registry, mlflow.text(said, "name", is_required=True))
    edit = Edit(description=mlflow.text(said, "description"))
    annotate.change_model(registry, slug, edit, caller)
    return _model(registry, slug)


@router.delete(
    "/delete",
    summary="Delete a registered model; its numbers are never given out again",
    openapi_extra=wire.body("name"),
)
def delete(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    slug = registered_models.slug(registry, mlflow.text(said, "name", is_required=True))
    deletion.delete_model(registry, slug, caller)
    return {}


@router.get("/get", summary="One registered model", openapi_extra=wire.query("name"))
def get(registry: Opened, said: Said) -> dict[str, Any]:
    return _model(registry, mlflow.text(said, "name", is_required=True))


@router.get("/search", summary="Registered models, by name", openapi_extra=wire.SEARCH)
def search(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    found = registered_search.models(registry, wire.asked(said, caller, default=100, most=1000))
    items: list[Json] = [wire.model_document(model) for model in found.items]
    return wire.page_document("registered_models", items, found.token)


@router.api_route(
    "/get-latest-versions",
    methods=["POST"],
    summary="A registered model's newest version that is ready",
    openapi_extra=wire.body("name", stages=wire.TEXTS),
)
@router.api_route(
    "/get-latest-versions",
    methods=["GET"],
    summary="A registered model's newest version that is ready",
    openapi_extra=wire.query("name", stages=wire.TEXTS),
)
def get_latest_versions(registry: Opened, said: Said) -> dict[str, Any]:
    model = registered_models.model(registry, mlflow.text(said, "name", is_required=True))
    stages = {stage.lower() for stage in mlflow.texts(said, "stages")}
    is_wanted = not stages or mlflow.STAGE.lower() in stages
    if model.latest is None or not is_wanted:
        return {}
    return {"model_versions": [wire.version_document(model.latest)]}


@router.post(
    "/set-tag",
    summary="Set a registered model's tag",
    openapi_extra=wire.body("name", "key", value=wire.TEXT),
)
def set_tag(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    slug = registered_models.slug(registry, mlflow.text(said, "name", is_required=True))
    tags = {mlflow.tag_key(said): mlflow.text(said, "value")}
    annotate.change_model(registry, slug, Edit(tags=tags), caller)
    return {}


@router.delete(
    "/delete-tag", summary="Remove a registered model's tag", openapi_extra=wire.body("name", "key")
)
def delete_tag(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    slug = registered_models.slug(registry, mlflow.text(said, "name", is_required=True))
    annotate.change_model(registry, slug, Edit(tags={mlflow.tag_key(said): None}), caller)
    return {}


@router.post(
    "/alias",
    summary="Point an alias at a version",
    openapi_extra=wire.body("name", "alias", "version"),
)
def set_alias(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    alias = mlflow.new_alias(mlflow.text(said, "alias"))
    version = registered_models.version(
        registry,
        mlflow.text(said, "name", is_required=True),
        mlflow.text(said, "version", is_required=True),
    )
    row = version.row
    aliases.move(registry, Move(row.model, alias, row.version, _ALIAS_REASON), caller)
    return {}


@router.delete("/alias", summary="Remove an alias", openapi_extra=wire.body("name", "alias"))
def delete_alias(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    """Removing one that is not there succeeds, as in MLflow."""
    alias = mlflow.alias(mlflow.text(said, "alias"))
    name = mlflow.text(said, "name", is_required=True)
    slug = registered_models.slug(registry, name)
    if registered_models.by_alias(registry, name, alias) is not None:
        aliases.move(registry, Move(slug, alias, None, "removed through MLflow"), caller)
    return {}


@router.get(
    "/alias",
    response_model=None,
    summary="The version an alias points at",
    openapi_extra=wire.query("name", "alias"),
)
def get_by_alias(registry: Opened, said: Said) -> dict[str, Any] | Response:
    alias = mlflow.alias(mlflow.text(said, "alias"))
    name = mlflow.text(said, "name", is_required=True)
    found = registered_models.by_alias(registry, name, alias)
    if found is None:
        message = f"Registered model alias {alias} not found."
        return wire.refuse("INVALID_PARAMETER_VALUE", message)
    return {"model_version": wire.version_document(found)}


def _model(registry: Opened, name: str) -> dict[str, Any]:
    return {"registered_model": wire.model_document(registered_models.model(registry, name))}


def _outcome(outcome: registered_models.Done | registered_models.Taken) -> JSONResponse:
    match outcome:
        case registered_models.Done(model):
            return JSONResponse({"registered_model": wire.model_document(model)})
        case registered_models.Taken(reason):
            return wire.refuse("RESOURCE_ALREADY_EXISTS", reason)
