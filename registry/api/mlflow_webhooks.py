"""MLflow's webhooks, as its clients make them; delivered in MLflow's form, with its signature.

They are webhooks like all others: in the same list, with dead letters, and on record.
"""

from typing import Annotated, Any

from fastapi import Path

from registry import errors
from registry.api import mlflow_wire as wire
from registry.api.access import Known, Opened, guarded
from registry.api.mlflow_wire import REGISTRY, Said
from registry.core import cursor, mlflow, mlflow_events
from registry.core.canonical import Json
from registry.db.tables_events import Webhook
from registry.db.webhooks import ACTIVE
from registry.usecases import webhooks
from registry.usecases.messages import MLFLOW
from registry.usecases.opening import Registry
from registry.usecases.webhooks import Wish

router = guarded("mlflow", prefix=f"{REGISTRY}/webhooks")

_LIST = "mlflow webhooks"
_MOST = 1000
_EVENTS: dict[str, Any] = {"type": "array", "items": {"type": "object"}}
Id = Annotated[str, Path(alias="webhook_id", max_length=64)]


@router.post(
    "",
    summary="Send events in MLflow's form to an address from now on",
    openapi_extra=wire.body(
        "name", "url", description=wire.TEXT, events=_EVENTS, secret=wire.TEXT, status=wire.TEXT
    ),
)
def create(registry: Opened, caller: Known, said: Said) -> dict[str, Any]:
    events, name = mlflow_events.parse(said.get("events")), _name(said)
    wish = Wish(
        name=webhooks.free_name(registry, mlflow.slugs(name)),
        url=mlflow.text(said, "url", is_required=True),
        description=mlflow.text(said, "description"),
        kinds=mlflow_events.kinds(events),
        secret=mlflow.text(said, "secret"),
        is_active=_is_active(said),
        options=_options(name, events),
    )
    return _answer(webhooks.create(registry, wish, caller, form=MLFLOW).webhook)


@router.get(
    "",
    summary="Webhooks that were made through MLflow",
    openapi_extra=wire.query(max_results=wire.COUNT, page_token=wire.TEXT),
)
def list_webhooks(registry: Opened, said: Said) -> dict[str, Any]:
    limit = mlflow.count(said, "max_results", default=100, most=_MOST)
    token = mlflow.text(said, "page_token")
    after = cursor.decode(token, asked=_LIST, kinds=(str,))[0] if token else ""
    found = webhooks.page(registry, after=str(after), limit=limit + 1, form=MLFLOW)
    shown = found[:limit]
    leads_on = len(found) > len(shown)
    return wire.page_document(
        "webhooks",
        [_document(row) for row in shown],
        cursor.encode((shown[-1].name,), asked=_LIST) if leads_on else "",
    )


@router.get("/{webhook_id}", summary="One webhook")
def get(registry: Opened, webhook_id: Id) -> dict[str, Any]:
    return _answer(_found(registry, webhook_id))


@router.patch(
    "/{webhook_id}",
    summary="Change, disable or enable a webhook",
    openapi_extra=wire.body(
        name=wire.TEXT, url=wire.TEXT, description=wire.TEXT, events=_EVENTS, secret=wire.TEXT,
        status=wire.TEXT,
    ),
)  # fmt: skip
def update(registry: Opened, caller: Known, webhook_id: Id, said: Said) -> dict[str, Any]:
    found = _found(registry, webhook_id)
    name = _name(said) if said.get("name") is not None else str(found.options["name"])
    listed = said.get("events") or found.options["events"]
    events = mlflow_events.parse(listed)
    wish = Wish(
        url=mlflow.optional_text(said, "url"),
        description=mlflow.optional_text(said, "description"),
        kinds=mlflow_events.kinds(events),
        secret=mlflow.optional_text(said, "secret"),
        is_active=_is_active(said),
        options=_options(name, events),
    )
    return _answer(webhooks.change(registry, webhook_id, wish, caller))


@router.delete("/{webhook_id}", summary="Remove a webhook")
def delete(registry: Opened, caller: Known, webhook_id: Id) -> dict[str, Any]:
    _found(registry, webhook_id)
    webhooks.remove(registry, webhook_id, caller)
    return {}


@router.post(
    "/{webhook_id}/test",
    summary="Send an event about something that does not exist",
    openapi_extra=wire.body(event={"type": "object"}),
)
def test(registry: Opened, webhook_id: Id, said: Said) -> dict[str, Any]:
    """The receiver's status is told, its body is not: it may be a machine inside our network."""
    _found(registry, webhook_id)
    event = mlflow_events.parse([said["event"]])[0] if said.get("event") else None
    tried = webhooks.try_out(registry, webhook_id, event)
    result: dict[str, Json] = {"success": tried.is_delivered}
    if tried.status is not None:
        result["response_status"] = tried.status
    if not tried.is_delivered:
        result["error_message"] = tried.reason
    return {"result": result}


def _found(registry: Registry, webhook: str) -> Webhook:
    found = webhooks.get(registry, webhook)
    if found.form != MLFLOW:
        raise errors.NotFound(f"Webhook with ID {webhook} was not made through MLflow")
    return found


def _name(said: dict[str, Json]) -> str:
    name = mlflow.text(said, "name", is_required=True)
    if len(name) > 256:
        raise errors.InvalidInput("Webhook name has at most 256 characters")
    return name


def _is_active(said: dict[str, Json]) -> bool | None:
    match mlflow.text(said, "status"):
        case "":
            return None
        case "ACTIVE":
            return True
        case "DISABLED":
            return False
        case status:
            raise errors.InvalidInput(f"Invalid webhook status {status[:40]}")


def _options(name: str, events: tuple[mlflow_events.Event, ...]) -> dict[str, Any]:
    return {"name": name, "events": [event.document for event in events]}


def _answer(row: Webhook) -> dict[str, Any]:
    return {"webhook": _document(row)}


def _document(row: Webhook) -> dict[str, Json]:
    return {
        "webhook_id": row.id,
        "name": row.options["name"],
        "description": row.description,
        "url": row.url,
        "events": row.options["events"],
        "status": "ACTIVE" if row.status == ACTIVE else "DISABLED",
        "creation_timestamp": wire.milliseconds(row.created_at),
        "last_updated_timestamp": wire.milliseconds(row.updated_at),
    }
