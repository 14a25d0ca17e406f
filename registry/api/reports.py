"""What reconcilers and hosts tell; tokens; the trust root."""

from typing import Annotated, Any

from fastapi import Body, Header, Query, Response

from registry.api import wire, wire_search
from registry.api.access import Known, Opened, guarded
from registry.usecases import catalogue, listing, reports, scoping

router = guarded()


@router.post(
    "/v1/events", status_code=201, tags=["events"], summary="Record an event in the log, once"
)
def record(
    registry: Opened,
    caller: Known,
    event: wire.NewEvent,
    answer: Response,
    holder: Annotated[str, Header(alias="plimsoll-holder", max_length=128)] = "",
) -> wire.EventRecorded:
    """The same `id` again answers 200 with the same index; with another content, 409.

    With `plimsoll-holder` also 409 unless that reconciler has the lease on the event's host."""
    if event.model:
        scoping.require(registry, caller, event.model)
    else:
        scoping.require_everything(caller)
    told = reports.Event(**event.model_dump())
    recorded = reports.record(registry, told, caller, holder=holder)
    answer.status_code = 201 if recorded.is_new else 200
    return wire.EventRecorded(index=recorded.index)


@router.post(
    "/v1/events/batch", status_code=201, tags=["events"], summary="Record events, all or none"
)
def record_all(
    registry: Opened, caller: Known, new: wire.NewEvents, answer: Response
) -> wire.EventsRecorded:
    """One transaction and one signature for up to 1000. Each as with a single one: told again it
    keeps its index, and 200 says that none was new; told with another content refuses all, 409."""
    events = [reports.Event(**event.model_dump()) for event in new.events]
    recorded = reports.record_all(registry, events, caller)
    answer.status_code = 201 if any(one.is_new for one in recorded) else 200
    return wire.EventsRecorded(indices=[one.index for one in recorded])


@router.get("/v1/deployments", tags=["deployments"], summary="The statuses of deployments")
def deployments(
    registry: Opened, caller: Known, paging: Annotated[wire_search.Paging, Query()]
) -> wire.DeploymentList:
    """By environment and name. Those of models that the caller may not read are left out, so a
    page may be short and still have a `nextPageToken`."""
    found = listing.deployments(registry, limit=paging.max_results, token=paging.page_token)
    return wire.DeploymentList(
        deployments=[
            wire.deployment_document(row)
            for row in scoping.only(registry, caller.scope, found.items, catalogue.model_of)
        ],
        next_page_token=found.token,
    )


@router.get(
    "/v1/deployments/{environment}/{name}", tags=["deployments"], summary="One deployment's status"
)
def deployment(registry: Opened, caller: Known, environment: str, name: str) -> dict[str, Any]:
    found = catalogue.deployment(registry, environment, name)
    scoping.require(registry, caller, catalogue.model_of(found))
    return wire.deployment_document(found)


@router.put(
    "/v1/deployments/{environment}/{name}",
    status_code=204,
    tags=["deployments"],
    summary="Report a deployment's status",
)
def set_deployment(
    registry: Opened,
    caller: Known,
    environment: str,
    name: str,
    document: Annotated[dict[str, Any], Body()],
) -> Response:
    reports.set_status(registry, environment=environment, name=name, document=document, by=caller)
    return Response(status_code=204)


@router.delete(
    "/v1/deployments/{environment}/{name}",
    status_code=204,
    tags=["deployments"],
    summary="Drop the status of a deployment that is no more",
)
def drop_deployment(registry: Opened, environment: str, name: str) -> Response:
    reports.drop_status(registry, environment=environment, name=name)
    return Response(status_code=204)


@router.get("/v1/trust", tags=["trust"], summary="The trust root: whose signatures count")
def trust(registry: Opened) -> dict[str, Any]:
    return registry.trust_document()
