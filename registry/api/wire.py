"""The documents that travel: what calls take and give, as pydantic models in camelCase."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from registry.core.canonical import Json
from registry.db import tables_log


class Document(BaseModel):
    """Unknown fields are refused: a misspelt one would be silently without effect."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", strict=True
    )


def ready(content: str, status: int = 200) -> Response:
    """An answer whose document is text already: what it is made of was encoded when it was kept."""
    return Response(content.encode(), status, media_type="application/json")


class Digests(Document):
    digests: Annotated[list[str], Field(max_length=10_000)]


class AliasMove(Document):
    """`expected` is where the mover believes the alias points, 0 for nowhere."""

    version: Annotated[int, Field(gt=0, lt=2**63)]
    expected: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class AliasChangeDocument(Document):
    version: int | None
    previous: int | None
    actor: str
    reason: str
    at: datetime
    log_index: int


class AliasDocument(Document):
    """`history` holds the newest moves; `nextPageToken` brings older ones, null without any."""

    model: str
    alias: str
    version: int
    history: list[AliasChangeDocument]
    next_page_token: str | None


class NewEvent(Document):
    id: Annotated[str, Field(min_length=1, max_length=128)]
    kind: str
    model: Annotated[str, Field(max_length=128)] = ""
    version: Annotated[int, Field(ge=0, lt=2**63)] = 0
    digest: str = ""
    host: Annotated[str, Field(max_length=255)] = ""
    deployment: Annotated[str, Field(max_length=255)] = ""
    commit: Annotated[str, Field(max_length=128)] = ""
    reason: Annotated[str, Field(max_length=8000)] = ""
    detail: dict[str, Any] = {}


class EventRecorded(Document):
    index: int


class NewEvents(Document):
    """In the order in which they shall stand in the log."""

    events: Annotated[list[NewEvent], Field(min_length=1, max_length=1000)]


class EventsRecorded(Document):
    indices: list[int]


class NewToken(Document):
    """Good for the `models` and `projects` named, which may be globs; for all, if none is.

    Without `expiresIn`, in seconds, it is good until it is revoked; with `certificate`, the
    sha256 of one in hex, only on connections that show that certificate.
    """

    role: str
    name: str
    models: list[str] = []
    projects: list[str] = []
    expires_in: Annotated[int, Field(gt=0, le=10 * 366 * 86400)] | None = None
    certificate: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""


class MintedToken(Document):
    token: str


class TokenDocument(Document):
    """`id` is the part of a token between its underscores."""

    id: str
    role: str
    name: str
    created_by: str
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None
    models: list[str]
    projects: list[str]


class TokenList(Document):
    tokens: list[TokenDocument]
    next_page_token: str | None = None


class LogLeaf(Document):
    index: int
    leaf: str


class LogPage(Document):
    size: int
    entries: list[LogLeaf]


class LogProof(Document):
    hashes: list[str]


class AuditDocument(Document):
    index: int
    role: str
    content: str


class AuditDocuments(Document):
    documents: list[AuditDocument]
    following: int


class Cosigned(Document):
    """`isWitnessed`: as many witnesses as the trust root demands have cosigned this checkpoint."""

    size: int
    witnesses: list[str]
    is_witnessed: bool


class DeploymentList(Document):
    """Status documents as they were reported, with `updatedAt` and `updatedBy`."""

    deployments: list[dict[str, Any]]
    next_page_token: str | None


class Told(Document):
    """An entry of the log, decoded, and where it stands."""

    index: int
    entry: dict[str, Any]


class DeploymentLog(Document):
    """The newest first; `before` is where to go on, null at the log's start."""

    entries: list[Told]
    before: int | None


def deployment_document(row: tables_log.Deployment) -> dict[str, Json]:
    """What the reconciler reported, word for word, and when."""
    return row.document | {
        "environment": row.environment,
        "name": row.name,
        "updatedAt": row.updated_at.isoformat(timespec="milliseconds"),
        "updatedBy": row.updated_by,
    }
