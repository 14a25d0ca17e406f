"""Documents of marks: what a detection takes and finds, which marks a version has."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from registry.api.wire import Document
from registry.usecases.disclosing import Mark


class SuspectFile(Document):
    path: str
    digest: str
    size: Annotated[int, Field(ge=0, lt=2**63)]


class NewDetection(Document):
    """`format` null is found out; with `against`, only that model's versions are compared."""

    files: Annotated[list[SuspectFile], Field(min_length=1, max_length=10_000)]
    format: str | None = None
    against: str = ""


class DetectionDocument(Document):
    """`finding` and `sentence` are the report's own; `plot` is an SVG of its scores."""

    finding: str
    sentence: str
    named: list[str]
    report: dict[str, Any]
    plot: str
    log_index: int


class MarkDocument(Document):
    """The owner's mark in one variant, and every host that pulled the version."""

    variant: str
    digest: str
    scheme: str
    alpha: float
    weights: int
    predicted_z: float
    epoch: int
    commitment: str
    log_index: int
    created_at: datetime
    recipients: list[str]


class MarkList(Document):
    marks: list[MarkDocument]


class NewDisclosure(Document):
    """`recipient` is a host, or `owner`; `variant` empty is the version's first."""

    recipient: Annotated[str, Field(min_length=1, max_length=128)]
    variant: Annotated[str, Field(max_length=128)] = ""
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class DisclosureDocument(Document):
    """`key` is a Sigstore bundle, and a secret."""

    key: dict[str, Any]
    log_index: int


def mark_document(mark: Mark) -> MarkDocument:
    row = mark.row
    return MarkDocument(
        variant=mark.marked.variant,
        digest=mark.marked.digest,
        scheme=row.scheme,
        alpha=row.alpha,
        weights=row.weights,
        predicted_z=row.predicted_z,
        epoch=row.epoch,
        commitment=row.commitment,
        log_index=row.log_index,
        created_at=row.created_at,
        recipients=list(mark.recipients),
    )
