"""Documents of watermarks, as everybody sees them who sees the version."""

from typing import Any

from registry.api.wire import Document


class MarkDocument(Document):
    """The owner's mark in a variant's files.

    `content` is the digest of the publisher's original files, `commitment` binds the key that the
    mark must be shown with, `statement` is the digest of what the registry signed about it, and
    `logIndex` where that stands in the log. `trial` says how the marked model was tried.
    """

    scheme: str
    weights: int
    predicted_z: float
    commitment: str
    content: str
    statement: str
    log_index: int
    trial: dict[str, Any]


def mark(shown: dict[str, Any] | None) -> MarkDocument | None:
    """As a variant's row has it."""
    return None if shown is None else MarkDocument.model_validate(shown)
