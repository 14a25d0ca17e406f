"""Documents of models, versions and variants."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from registry.api import wire_evidence, wire_marks
from registry.api.wire import Document
from registry.api.wire_evidence import EvidenceDocument, SignatureDocument
from registry.api.wire_marks import MarkDocument
from registry.core import facts, tensors
from registry.core.facts import Dataset, Facts, Parent, Relation
from registry.db import tables, whole
from registry.db.tables_evidence import Evidence
from registry.usecases.catalogue import Overview
from registry.usecases.marks import Marking

Texts = dict[str, str]


class FileEntry(Document):
    path: str
    digest: str
    size: Annotated[int, Field(ge=0, lt=2**63)]


class DatasetEntry(Document):
    """`digest` may be left out where nobody computed one."""

    name: str
    digest: str = ""
    uri: str = ""


class ParentEntry(Document):
    """A version of this registry (`model`, `version`), or a `reference` to something elsewhere."""

    relation: Annotated[Relation, Field(strict=False)]
    model: str = ""
    version: Annotated[int, Field(ge=0, lt=2**63)] = 0
    reference: str = ""


class Metadata(Document):
    """What the publisher says about a version; none of it is trusted for anything."""

    description: str = ""
    owner: str = ""
    licence: str = ""
    commit: str = ""
    repository: str = ""
    source: str = ""
    run_id: str = ""
    tags: Texts = {}
    metrics: dict[str, float] = {}
    parameters: dict[str, Any] = {}
    datasets: list[DatasetEntry] = []
    derived_from: list[ParentEntry] = []


class NewMetadata(Metadata):
    """`card` is a model card: Markdown, with front matter as on Hugging Face."""

    card: str = ""


class NewVariant(Document):
    """`signature` says what the files do not: inputs and outputs, each with name, dtype, shape.

    Of a shape, null is a free size, and a shape of null a free rank. `watermark` says whether the
    files get their owner's mark; null leaves it to the registry's settings.
    """

    format: Annotated[str, Field(max_length=32)]
    variant: Annotated[str, Field(max_length=64)] = ""
    files: list[FileEntry]
    publisher_bundle: dict[str, Any]
    signature: dict[str, Any] | None = None
    watermark: Annotated[Marking, Field(strict=False)] | None = None


class NewVersion(NewVariant):
    version: int | None = None
    metadata: NewMetadata = NewMetadata()


class NewModel(Document):
    """`project` says whose model it is: access may be granted by project."""

    name: str
    display_name: str = ""
    description: str = ""
    owner: str = ""
    project: Annotated[str, Field(max_length=128)] = ""
    tags: Texts = {}


class ModelEdit(Document):
    """What is left out stays; a tag's value null removes it."""

    display_name: str | None = None
    description: str | None = None
    owner: str | None = None
    project: Annotated[str, Field(max_length=128)] | None = None
    tags: dict[str, str | None] = {}


class VersionEdit(Document):
    """What is left out stays; a tag's value null removes it."""

    description: str | None = None
    owner: str | None = None
    card: str | None = None
    tags: dict[str, str | None] = {}


class VariantDocument(Document):
    name: str
    format: str
    digest: str
    size: int
    publisher: str
    signature: dict[str, Any]
    files: list[FileEntry]
    log_index: int
    watermark: MarkDocument | None
    created_at: datetime


class VersionDocument(Document):
    """The fields from `digest` to `watermark` are those of the first variant; null without one.

    `evidence` is the newest, and `signatures` all who signed, where one version was asked for. In
    lists `evidence` is null and `signatures` are those of the publishers.
    """

    model: str
    version: int
    status: str
    status_message: str
    digest: str | None
    format: str | None
    size: int | None
    files: list[FileEntry]
    signature: dict[str, Any]
    publisher: str | None
    log_index: int | None
    watermark: MarkDocument | None
    variants: list[VariantDocument]
    signatures: list[SignatureDocument]
    evidence: list[EvidenceDocument] | None
    metadata: Metadata
    actor: str
    created_at: datetime
    updated_at: datetime


class ModelDocument(Document):
    """`versions` are the newest; `nextPageToken` leads to the others at `…/versions`."""

    name: str
    display_name: str
    description: str
    owner: str
    project: str
    tags: Texts
    aliases: dict[str, int]
    version_count: int
    versions: list[VersionDocument]
    next_page_token: str | None = None
    created_at: datetime
    updated_at: datetime


class CardDocument(Document):
    card: str


def facts_of(said: NewMetadata) -> Facts:
    """What the publisher says, as the core takes it; raises InvalidInput."""
    return Facts(
        description=said.description,
        owner=said.owner,
        licence=said.licence,
        commit=said.commit,
        repository=said.repository,
        source=said.source,
        run_id=said.run_id,
        card=said.card,
        tags=said.tags,
        metrics=said.metrics,
        parameters={key: facts.text_of(value) for key, value in said.parameters.items()},
        datasets=tuple(Dataset(data.name, data.digest, data.uri) for data in said.datasets),
        parents=tuple(
            Parent(one.relation, one.model, one.version, one.reference) for one in said.derived_from
        ),
    )


def signature_of(new: NewVariant) -> tensors.Signature | None:
    """What the publisher says of inputs and outputs, if anything; raises InvalidInput."""
    return None if new.signature is None else tensors.signature(new.signature)


def version_document(
    row: tables.Version | whole.Version, evidence: Sequence[Evidence] | None = None
) -> VersionDocument:
    variants = [_variant(variant) for variant in row.variants]
    first = next((one for one in variants if one.digest == row.digest), None)
    return VersionDocument(
        model=row.model,
        version=row.version,
        status=row.status,
        status_message=row.status_message,
        digest=row.digest,
        format=first.format if first else None,
        size=first.size if first else None,
        files=first.files if first else [],
        signature=first.signature if first else {},
        publisher=first.publisher if first else None,
        log_index=first.log_index if first else None,
        watermark=first.watermark if first else None,
        variants=variants,
        signatures=wire_evidence.signatures(row.variants, evidence or ()),
        evidence=None if evidence is None else [wire_evidence.document(one) for one in evidence],
        metadata=_metadata(row),
        actor=row.actor,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _variant(row: tables.Variant | whole.Variant) -> VariantDocument:
    return VariantDocument(
        name=row.name,
        format=row.format,
        digest=row.digest,
        size=row.size,
        publisher=row.publisher,
        signature=row.signature,
        files=[FileEntry(path=f.path, digest=f.digest, size=f.size) for f in row.files],
        log_index=row.log_index,
        watermark=wire_marks.mark(row.watermark),
        created_at=row.created_at,
    )


def _metadata(row: tables.Version | whole.Version) -> Metadata:
    return Metadata(
        description=row.description,
        owner=row.owner,
        licence=row.licence,
        commit=row.commit,
        repository=row.repository,
        source=row.source,
        run_id=row.run_id,
        tags={tag.key: tag.value for tag in row.tags},
        metrics={metric.key: metric.value for metric in row.metrics},
        parameters={parameter.key: parameter.value for parameter in row.parameters},
        datasets=[
            DatasetEntry(name=data.name, digest=data.digest, uri=data.uri) for data in row.datasets
        ],
        derived_from=[_parent(edge) for edge in row.parents],
    )


def _parent(row: tables.Derivation | whole.Parent) -> ParentEntry:
    relation = Relation(row.relation)
    if row.parent_id is None:
        return ParentEntry(relation=relation, reference=row.reference)
    model, _, number = row.reference.rpartition("@")
    return ParentEntry(relation=relation, model=model, version=int(number))


def model_document(found: Overview) -> ModelDocument:
    return ModelDocument(
        name=found.model.name,
        display_name=found.model.display_name,
        description=found.model.description,
        owner=found.model.owner,
        project=found.model.project,
        tags={tag.key: tag.value for tag in found.tags},
        aliases={alias.alias: alias.version for alias in found.aliases},
        version_count=found.count,
        versions=[version_document(row) for row in found.versions],
        next_page_token=found.token,
        created_at=found.model.created_at,
        updated_at=found.model.updated_at,
    )
