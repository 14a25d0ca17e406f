"""What auditors fetch beside the log itself: the documents that its entries are about."""

import base64
from typing import Annotated

from fastapi import Query

from registry.api import wire
from registry.api.access import Opened, guarded
from registry.usecases import audit

router = guarded("log")

Place = Annotated[int, Query(ge=0, lt=2**63)]


@router.get("/v1/audit/documents", summary="What the log's entries are about, byte for byte")
def documents(registry: Opened, start: Place, stop: Place) -> wire.AuditDocuments:
    """Manifests, signatures and evidence of the entries from `start` up to `stop`.

    `following` is where the next page begins; it is `stop` on the last.
    """
    page = audit.documents(registry, start=start, stop=stop)
    return wire.AuditDocuments(
        documents=[
            wire.AuditDocument(
                index=one.index, role=one.role, content=base64.b64encode(one.content).decode()
            )
            for one in page.documents
        ],
        following=page.following,
    )
