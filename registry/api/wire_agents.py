"""What travels between the registry and agents: hosts that look after themselves."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from registry.api.wire import Document
from registry.usecases import agents


class AgentReport(Document):
    """`epoch` is that of the agent's claim; left out, the host becomes its own first."""

    holder: Annotated[str, Field(min_length=1, max_length=128)]
    epoch: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    document: dict[str, Any]


class AgentClaim(Document):
    """`now` is the registry's time."""

    host: str
    holder: str
    epoch: int
    claimed_at: datetime
    now: datetime


class AgentDocument(Document):
    """`document` is what the agent told last; null where it was not new after `after`."""

    host: str
    holder: str
    claimed_at: datetime
    seen_at: datetime
    document: dict[str, Any] | None


class AgentList(Document):
    """`now` is the registry's time; `newest`, where it is not null, the next `after`."""

    agents: list[AgentDocument]
    now: datetime
    newest: datetime | None


def claim_document(claim: agents.Claim) -> AgentClaim:
    return AgentClaim(
        host=claim.host,
        holder=claim.holder,
        epoch=claim.epoch,
        claimed_at=claim.claimed_at,
        now=claim.now,
    )


def agent_document(one: agents.Standing) -> AgentDocument:
    return AgentDocument(
        host=one.host,
        holder=one.holder,
        claimed_at=one.claimed_at,
        seen_at=one.seen_at,
        document=None if one.document is None else dict(one.document),
    )
