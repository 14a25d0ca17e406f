"""Documents of lineage: versions, and what was made of what."""

from registry.api.wire import Document
from registry.api.wire_models import VersionDocument, version_document
from registry.usecases.lineage import Lineage


class EdgeDocument(Document):
    """`child` was made of `parent`: `model@version`, or a reference elsewhere."""

    child: str
    relation: str
    parent: str


class LineageDocument(Document):
    subject: VersionDocument
    versions: list[VersionDocument]
    edges: list[EdgeDocument]
    is_cut: bool


def lineage_document(found: Lineage) -> LineageDocument:
    return LineageDocument(
        subject=version_document(found.subject),
        versions=[version_document(row) for row in found.versions],
        edges=[
            EdgeDocument(child=edge.child, relation=edge.relation, parent=edge.parent)
            for edge in found.edges
        ],
        is_cut=found.is_cut,
    )
