"""Evidence about versions: brought by publishers, approvers and reconcilers, read by everybody."""

from typing import Annotated

from fastapi import Path, Query, Response

from registry.api import wire_evidence as wire
from registry.api import wire_search
from registry.api.access import Known, Opened, guarded
from registry.usecases import evidence

router = guarded("evidence")

Number = Annotated[int, Path(gt=0, lt=2**63)]


@router.post(
    "/v1/models/{name}/versions/{version}/evidence",
    status_code=201,
    summary="Add a signed statement about a version",
)
def add(
    registry: Opened,
    caller: Known,
    name: str,
    version: Number,
    new: wire.NewEvidence,
    answer: Response,
) -> wire.EvidenceDocument:
    """A further signature, an approval, a test result, provenance, or a revocation.

    It is checked against the registry's trust root and entered in the log. Adding the very same
    again answers 200 with what is there.
    """
    added = evidence.add(registry, name, version, new.bundle, caller)
    answer.status_code = 201 if added.is_new else 200
    return wire.document(added.row)


@router.get(
    "/v1/models/{name}/versions/{version}/evidence",
    summary="What was signed about a version, in the order of the log",
)
def list_evidence(
    registry: Opened,
    name: str,
    version: Number,
    paging: Annotated[wire_search.Paging, Query()],
) -> wire.EvidenceList:
    found = evidence.page(
        registry, name, version, limit=paging.max_results, token=paging.page_token
    )
    return wire.EvidenceList(
        evidence=[wire.document(row) for row in found.items], next_page_token=found.token
    )


@router.get(
    "/v1/models/{name}/versions/{version}/evidence/{statement}",
    summary="One statement with its bundle",
)
def one(registry: Opened, name: str, version: Number, statement: str) -> wire.EvidenceBundle:
    return wire.with_bundle(evidence.one(registry, name, version, statement))
