"""Hosts: who is enrolled, and turning one out."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from registry.api import wire_access as wire
from registry.api.access import Known, Opened
from registry.usecases import hosts

router = APIRouter(tags=["hosts"])


@router.get("/v1/hosts", summary="Enrolled hosts, by name; revoked ones too")
def list_hosts(
    registry: Opened,
    max_results: Annotated[int, Query(alias="maxResults", ge=1, le=1000)] = 100,
    page_token: Annotated[str, Query(alias="pageToken", max_length=128)] = "",
) -> wire.HostList:
    """`nextPageToken` leads on; there is none on the last page."""
    found = hosts.listed(registry, after=page_token, limit=max_results + 1)
    shown = found[:max_results]
    return wire.HostList(
        hosts=[wire.host_document(row) for row in shown],
        next_page_token=shown[-1].name if len(found) > len(shown) else None,
    )


@router.delete("/v1/hosts/{host}", status_code=204, summary="Turn a host out")
def revoke(
    registry: Opened,
    caller: Known,
    host: str,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """Its certificate and its tokens are refused from the next request on, by other replicas some
    seconds later; nothing more is encrypted to it. It may enrol again with a new one-time token."""
    hosts.revoke(registry, host, reason=reason, by=caller)
    return Response(status_code=204)
