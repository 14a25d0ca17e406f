"""Persons behind pseudonyms: auditors may look one up, admins may have one forgotten."""

from fastapi import Response

from registry.api import wire_access as wire
from registry.api.access import Known, Opened, guarded
from registry.usecases import persons

router = guarded("access")


@router.post("/v1/persons/find", summary="Who is behind a pseudonym, or which one a person has")
def find(registry: Opened, wanted: wire.PersonWanted) -> wire.PersonList:
    """A POST, so that no name stands in an address, and so in no access log."""
    found = persons.called(registry, wanted.called)
    return wire.PersonList(persons=[wire.person_document(row) for row in found])


@router.delete("/v1/persons/{pseudonym}", status_code=204, summary="Forget who is behind one")
def erase(registry: Opened, caller: Known, pseudonym: str, why: wire.PersonErasure) -> Response:
    """For good: the log keeps the pseudonym, and nobody can tell any more whose it was."""
    persons.erase(registry, pseudonym, reason=why.reason, by=caller)
    return Response(status_code=204)
