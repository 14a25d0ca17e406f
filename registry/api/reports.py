"""What reconcilers and hosts tell; tokens; the trust root."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from registry import errors
from registry.api import wire
from registry.api.access import Known, Opened
from registry.usecases import access, catalogue, reports

router = APIRouter()


@router.post(
    "/v1/events", status_code=201, tags=["events"], summary="Record an event in the log, once"
)
def record(
    registry: Opened, caller: Known, event: wire.NewEvent, answer: Response
) -> wire.EventRecorded:
    """The same `id` again answers 200 with the same index; with another content, 409."""
    recorded = reports.record(registry, reports.Event(**event.model_dump()), caller)
    answer.status_code = 201 if recorded.is_new else 200
    return wire.EventRecorded(index=recorded.index)


@router.get("/v1/deployments", tags=["deployments"], summary="The status of every deployment")
def deployments(registry: Opened) -> wire.DeploymentList:
    rows = catalogue.deployments(registry)
    return wire.DeploymentList(deployments=[wire.deployment_document(row) for row in rows])


@router.get(
    "/v1/deployments/{environment}/{name}", tags=["deployments"], summary="One deployment's status"
)
def deployment(registry: Opened, environment: str, name: str) -> dict[str, Any]:
    return wire.deployment_document(catalogue.deployment(registry, environment, name))


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


@router.post("/v1/tokens", status_code=201, tags=["tokens"], summary="Mint a token, shown once")
def mint(registry: Opened, caller: Known, new: wire.NewToken) -> wire.MintedToken:
    """An admin mints any role; a reconciler only `host`, named after the host."""
    if new.role not in set(access.Role):
        raise errors.InvalidInput(
            f"role {new.role[:40]!r} does not exist", fix=f"use one of {', '.join(access.Role)}"
        )
    secret = access.mint(registry, role=access.Role(new.role), name=new.name, by=caller)
    return wire.MintedToken(token=secret)


@router.get("/v1/trust", tags=["trust"], summary="The trust root: whose signatures count")
def trust(registry: Opened) -> dict[str, Any]:
    return registry.trust_root().document()
