"""What people asked of deployments from the pages, for reconcilers to take and to answer."""

from typing import Annotated

from fastapi import Path

from registry.api import wire_requests as wire
from registry.api.access import Known, Opened, guarded
from registry.usecases import requests

router = guarded("reconcilers")

Id = Annotated[str, Path(max_length=32)]


@router.get("/v1/requests", summary="What people ask of deployments, and has no end yet")
def open_requests(registry: Opened) -> wire.RequestList:
    """The oldest first. What nobody took or answered for an hour ends here."""
    found = requests.open_ones(registry)
    return wire.RequestList(requests=[wire.request_document(row) for row in found])


@router.post("/v1/requests/{request}/take", summary="Take a request, to do it")
def take(
    registry: Opened, caller: Known, request: Id, taking: wire.NewTaking
) -> wire.RequestDocument:
    """Again is free; 409 where another took it, or it has its end."""
    row = requests.take(registry, request, holder=taking.holder, by=caller)
    return wire.request_document(row)


@router.post("/v1/requests/{request}/answer", summary="Say how a request that was taken ended")
def answer(
    registry: Opened, caller: Known, request: Id, said: wire.NewAnswer
) -> wire.RequestDocument:
    """For whoever took it; the very same again is free."""
    ended = requests.Ended(said.state(), said.text, said.address)
    row = requests.answer(registry, request, holder=said.holder, ended=ended, by=caller)
    return wire.request_document(row)
