"""What travels in the MLflow dialect: requests whatever their content type, documents, refusals."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from registry.api.access import Known, Opened
from registry.core import canonical, mlflow, mlflow_sources
from registry.core.canonical import Json
from registry.core.identity import Caller
from registry.db.registered import RegisteredModel, RegisteredVersion
from registry.errors import PlimsollError
from registry.usecases import registered_search, scoping

REGISTRY = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts"
_WHAT = "the request"
_BY_STATUS = {404: "ENDPOINT_NOT_FOUND", 413: "INVALID_PARAMETER_VALUE"}

TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 1}
# A page's documents are held in memory: whoever asks for more gets a token for the rest.
PAGE = 10_000
FLAG: dict[str, Any] = {"type": "boolean"}
TAGS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "object", "properties": {"key": TEXT, "value": TEXT}},
}


async def _said(request: Request, registry: Opened, caller: Known) -> dict[str, Json]:
    """The request's fields: of the query where a GET has one, else of the body.

    Raises Forbidden where they name a model that the caller may not act on.
    """
    document = await _fields(request)
    if not caller.scope.is_everything:
        for field in ("name", "new_name"):
            # Read as the handler reads it, so that both mean the same model.
            name = mlflow.text(document, field)
            if name:
                await run_in_threadpool(scoping.require_named, registry, caller, name)
    return document


async def _fields(request: Request) -> dict[str, Json]:
    if request.method == "GET" and request.query_params:
        found = {key: request.query_params.getlist(key) for key in request.query_params}
        return {key: values[0] if len(values) == 1 else [*values] for key, values in found.items()}
    body = await request.body()
    if not body:
        return {}
    value = canonical.decode(body, what=_WHAT)
    # Old clients encode their document twice.
    document = canonical.decode_object(
        value if isinstance(value, str) else canonical.encode(value), what=_WHAT
    )
    canonical.encode(document)  # refuses half characters, which no database keeps
    return document


Said = Annotated[dict[str, Json], Depends(_said)]


def asked(
    said: dict[str, Json], caller: Caller, *, default: int, most: int
) -> registered_search.Asked:
    """What a search asks for, among what the caller may read."""
    return registered_search.Asked(
        filter=mlflow.text(said, "filter"),
        order_by=mlflow.texts(said, "order_by"),
        limit=min(mlflow.count(said, "max_results", default=default, most=most), PAGE),
        token=mlflow.text(said, "page_token"),
        scope=caller.scope,
    )


def body(*required: str, **optional: dict[str, Any]) -> dict[str, Any]:
    """How OpenAPI describes a call whose fields are in its body."""
    properties = dict.fromkeys(required, TEXT) | optional
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def query(*required: str, **optional: dict[str, Any]) -> dict[str, Any]:
    """How OpenAPI describes a call whose fields are in its query."""
    fields = dict.fromkeys(required, TEXT) | optional
    return {
        "parameters": [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in fields.items()
        ]
    }


SEARCH = query(filter=TEXT, max_results=COUNT, order_by=TEXTS, page_token=TEXT)


def refusal(error: PlimsollError, *, status: int | None = None) -> JSONResponse:
    """The answer that says no; `status` is given where HTTP itself was in the way."""
    code = "BAD_REQUEST" if status is None else _BY_STATUS.get(status, "BAD_REQUEST")
    if status is None:
        status, code = mlflow.code_of(error)
    return JSONResponse(mlflow.error_document(code, mlflow.message_of(error)), status)


def refuse(code: str, message: str, *, status: int = 400) -> JSONResponse:
    """A refusal that is no error of ours but an outcome, such as a name that is taken."""
    return JSONResponse(mlflow.error_document(code, message), status)


def model_document(model: RegisteredModel) -> dict[str, Json]:
    row = model.row
    document: dict[str, Json] = {
        "name": row.display_name,
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(row.updated_at),
        "user_id": row.owner,
        "description": row.description,
        "latest_versions": [version_document(model.latest)] if model.latest else [],
        "tags": mlflow.pairs((tag.key, tag.value) for tag in model.tags),
        "aliases": [{"alias": one.alias, "version": str(one.version)} for one in model.aliases],
    }
    return _without_empty(document, {"name", "creation_timestamp"})


def version_document(version: RegisteredVersion) -> dict[str, Json]:
    row, came_in = version.row, version.registration
    document: dict[str, Json] = {
        "name": version.name,
        "version": str(row.version),
        "creation_timestamp": milliseconds(row.created_at),
        "last_updated_timestamp": milliseconds(row.updated_at),
        "user_id": row.actor,
        "current_stage": mlflow.STAGE,
        "description": row.description,
        "source": row.source or mlflow_sources.address(row.model, row.version, url=""),
        "run_id": row.run_id,
        "status": mlflow.STATUSES[row.status],
        "status_message": row.status_message,
        "tags": mlflow.pairs((tag.key, tag.value) for tag in row.tags),
        "run_link": came_in.run_link if came_in else "",
        "aliases": list(version.aliases),
        "model_id": came_in.model_id if came_in else "",
        "model_params": [{"name": one.key, "value": one.value} for one in row.parameters],
        "model_metrics": [
            {"key": one.key, "value": one.value, "timestamp": milliseconds(row.created_at)}
            for one in row.metrics
        ],
    }
    return _without_empty(document, {"name", "version", "status", "current_stage"})


def page_document(name: str, items: list[Json], token: str) -> dict[str, Json]:
    """A page of a search; the client looks for the token only where there is one."""
    document: dict[str, Json] = {name: items, "next_page_token": token}
    return _without_empty(document, ())


def _without_empty(document: dict[str, Json], kept: Iterable[str]) -> dict[str, Json]:
    """As protocol buffers write them: what is empty is not there."""
    return {key: value for key, value in document.items() if key in kept or value not in ("", [])}


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
