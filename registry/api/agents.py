"""Hosts that look after themselves: what their agents tell, and whose each host is."""

from datetime import datetime
from typing import Annotated

from fastapi import Query, Response

from registry import errors
from registry.api import wire_agents as wire
from registry.api.access import Known, Opened, guarded
from registry.usecases import agents

router = guarded("agents")


@router.get("/v1/agents", summary="All hosts that look after themselves")
def list_agents(
    registry: Opened, after: Annotated[datetime | None, Query()] = None
) -> wire.AgentList:
    """With what each told last; with `after`, the `newest` of an answer, only with what is new."""
    if after is not None and after.tzinfo is None:
        raise errors.InvalidInput("`after` does not say its time zone", fix="end it with Z")
    found = agents.listed(registry, after=after)
    told = [wire.agent_document(one) for one in found.agents]
    return wire.AgentList(agents=told, now=found.now, newest=found.newest)


@router.put("/v1/agents/{host}", summary="Tell how the own host does")
def tell(registry: Opened, caller: Known, host: str, report: wire.AgentReport) -> wire.AgentClaim:
    """409 where the host is not this holder's own: another acts there."""
    claim = agents.tell(
        registry,
        host,
        report.document,
        holder=report.holder,
        epoch=report.epoch,
        by=caller,
    )
    return wire.claim_document(claim)


@router.delete("/v1/agents/{host}", status_code=204, summary="Let go of a host")
def release(
    registry: Opened,
    caller: Known,
    host: str,
    holder: Annotated[str, Query(max_length=128)] = "",
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """By the agent itself; or, with a reason, by an operator for one that never comes back."""
    agents.release(registry, host, holder=holder, reason=reason, by=caller)
    return Response(status_code=204)
