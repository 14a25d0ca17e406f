"""The documents that travel: what calls take and give, as pydantic models in camelCase."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from registry.core.canonical import Json
from registry.db import tables
from registry.usecases.catalogue import Overview


class Document(BaseModel):
    """Unknown fields are refused: a misspelt one would be silently without effect."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", strict=True
    )


class FileEntry(Document):
    path: str
    digest: str
    size: Annotated[int, Field(ge=0)]


class Metadata(Document):
    """What the publisher says about a version; none of it is trusted for anything."""

    description: str = ""
    commit: Annotated[str, Field(max_length=128)] = ""
    metrics: dict[str, float] = {}
    parameters: dict[str, Any] = {}


class NewVersion(Document):
    version: int | None = None
    format: Annotated[str, Field(max_length=32)]
    files: list[FileEntry]
    publisher_bundle: dict[str, Any]
    metadata: Metadata = Metadata()


class VersionDocument(Document):
    model: str
    version: int
    digest: str
    format: str
    size: int
    files: list[FileEntry]
    signature: dict[str, Any]
    publisher: str
    created_at: datetime
    metadata: dict[str, Any]
    log_index: int


class ModelDocument(Document):
    name: str
    description: str
    versions: list[VersionDocument]
    aliases: dict[str, int]


class ModelList(Document):
    models: list[ModelDocument]


class AliasMove(Document):
    version: int
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class AliasChangeDocument(Document):
    version: int | None
    previous: int | None
    actor: str
    reason: str
    at: datetime
    log_index: int


class AliasDocument(Document):
    model: str
    alias: str
    version: int
    history: list[AliasChangeDocument]


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


class NewToken(Document):
    role: str
    name: str


class MintedToken(Document):
    token: str


class LogLeaf(Document):
    index: int
    leaf: str


class LogPage(Document):
    size: int
    entries: list[LogLeaf]


class LogProof(Document):
    hashes: list[str]


class DeploymentList(Document):
    """Status documents as they were reported, with `updatedAt` and `updatedBy`."""

    deployments: list[dict[str, Any]]


def version_document(row: tables.Version) -> VersionDocument:
    return VersionDocument(
        model=row.model,
        version=row.version,
        digest=row.digest,
        format=row.format,
        size=row.size,
        files=[FileEntry(path=f.path, digest=f.digest, size=f.size) for f in row.files],
        signature=row.signature,
        publisher=row.publisher,
        created_at=row.created_at,
        metadata=row.details,
        log_index=row.log_index,
    )


def model_document(overview: Overview) -> ModelDocument:
    return ModelDocument(
        name=overview.model.name,
        description=overview.model.description,
        versions=[version_document(row) for row in overview.versions],
        aliases={alias.alias: alias.version for alias in overview.aliases},
    )


def deployment_document(row: tables.Deployment) -> dict[str, Json]:
    """What the reconciler reported, word for word, and when."""
    return row.document | {
        "environment": row.environment,
        "name": row.name,
        "updatedAt": row.updated_at.isoformat(timespec="milliseconds"),
        "updatedBy": row.updated_by,
    }
