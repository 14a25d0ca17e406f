"""What a model's repository shows that nobody pushed there: ready versions and their evidence."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, exists, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session, defer

from registry.core import digest as digests
from registry.core import oci_documents, oms, statement
from registry.core.scope import EVERYTHING, Scope
from registry.db import evidence as further
from registry.db import scoped
from registry.db.prepared import Prepared
from registry.db.tables import READY, Alias, File, Model, Variant, Version
from registry.db.tables_evidence import Evidence as Further
from registry.db.tables_oci import Evidence
from registry.db.tables_watermark import Watermark

# Of what is only filed once it was verified, or was made here.
_PREDICATES: Mapping[str, str] = {
    oci_documents.PUBLISHER: oms.PREDICATE_TYPE,
    oci_documents.REGISTRY: statement.PREDICATE_TYPE,
}
_INSERT = Prepared(insert(Evidence.__table__))  # type: ignore[arg-type]
_Selected = TypeVar("_Selected", bound=Select[*tuple[Any, ...]])


def is_model(session: Session, name: str) -> bool:
    """Whether the repository is a model's."""
    found = session.get(Model, name)
    return found is not None and found.deleted_at is None


def variant(session: Session, model: str, digest: str) -> tuple[Variant, int] | None:
    """The ready variant with this digest, and the number of its version."""
    statement = _ready(select(Variant, Version.version), model).where(Variant.digest == digest)
    return session.execute(statement.order_by(Variant.id).limit(1)).first()


def digest_of(session: Session, model: str, number: int, name: str) -> str | None:
    """The digest of a ready version's variant; of its first, where no name is given."""
    statement = _ready(select(Variant.digest), model).where(Version.version == number)
    if name:
        statement = statement.where(Variant.name == name)
    return session.scalars(statement.order_by(Variant.id).limit(1)).first()


def digest_of_alias(session: Session, model: str, alias: str) -> str | None:
    """The digest of the version that the alias names, or None."""
    found = session.get(Alias, (model, alias))
    return digest_of(session, model, found.version, "") if found else None


def numbered(session: Session, model: str) -> Sequence[tuple[int, str]]:
    """Every ready version's number with the name of each of its variants."""
    statement = _ready(select(Version.version, Variant.name), model)
    return [(number, name) for number, name in session.execute(statement)]


def aliases(session: Session, model: str) -> Sequence[str]:
    """The aliases that name a ready version."""
    statement = select(Alias.alias).join(
        Version, (Version.model == Alias.model) & (Version.version == Alias.version)
    )
    return session.scalars(statement.where(Alias.model == model, Version.status == READY)).all()


def known_manifests(session: Session, model: str, digests: Collection[str]) -> set[str]:
    """Those of these that are manifests of ready versions, or of their evidence."""
    found = set(
        session.scalars(_ready(select(Variant.digest), model).where(Variant.digest.in_(digests)))
    )
    statement = _ready(select(Evidence.manifest), model).where(
        Evidence.variant_id == Variant.id, Evidence.manifest.in_(digests)
    )
    found |= set(session.scalars(statement))
    return found | {
        row.manifest for row, _ in further.of_ready(session, model, Further.manifest, digests)
    }


def files(session: Session, model: str, digests: Collection[str]) -> set[str]:
    """Those of these blobs that are files of ready versions."""
    statement = _ready(select(File.digest), model).where(
        File.variant_id == Variant.id, File.digest.in_(digests)
    )
    return set(session.scalars(statement))


def document(session: Session, model: str, digest: str) -> bytes | None:
    """A small blob that no store has: a version's config, a bundle, the empty document."""
    if digest == oci_documents.EMPTY_DIGEST and is_model(session, model):
        return oci_documents.EMPTY
    statement = _ready(select(Variant.config), model).where(Variant.config_digest == digest)
    config = session.scalars(statement.limit(1)).first()
    if config is not None:
        return config
    found = _evidence(session, model, Evidence.bundle, digest)
    if found is not None:
        return bundle(session, *found)
    added = further.of_ready(session, model, Further.bundle_digest, [digest])
    return added[0][0].bundle if added else None


def evidence(session: Session, model: str, digest: str) -> bytes | None:
    """The manifest of a ready version's evidence."""
    found = _evidence(session, model, Evidence.manifest, digest)
    if found is not None:
        return evidence_manifest(session, *found)
    added = further.of_ready(session, model, Further.manifest, [digest])
    return carrier(added[0][0], added[0][1]) if added else None


def carrier(row: Further, subject: bytes) -> bytes:
    """The manifest that carries what was added later, made again like the others."""
    return oci_documents.evidence(row.bundle, subject=subject)


def evidence_manifest(session: Session, row: Evidence, signed: Variant) -> bytes:
    """Make it again; the same as ever, unless somebody changed the database."""
    return oci_documents.evidence(bundle(session, row, signed), subject=signed.manifest)


def evidence_of(session: Session, row: Variant) -> Sequence[Evidence]:
    """What was recorded for the variant."""
    statement = select(Evidence).where(Evidence.variant_id == row.id).order_by(Evidence.what)
    return session.scalars(statement).all()


def models(session: Session, *, after: str, limit: int, scope: Scope = EVERYTHING) -> Sequence[str]:
    """Models with a ready version that `scope` covers, from `after` on, byte by byte."""
    name: InstrumentedAttribute[str] = Model.name
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    ordered = name if is_sqlite else name.collate("C")
    has_version = exists().where(Version.model == Model.name, Version.status == READY)
    within = scoped.covered(Model.__table__.c.name, scope, is_sqlite=is_sqlite)
    statement = select(Model.name).where(
        ordered > after, Model.deleted_at.is_(None), has_version, within
    )
    return session.scalars(statement.order_by(ordered).limit(limit)).all()


def _evidence(
    session: Session, model: str, column: InstrumentedAttribute[str], digest: str
) -> tuple[Evidence, Variant] | None:
    statement = _ready(select(Evidence, Variant), model).where(
        Evidence.variant_id == Variant.id, column == digest
    )
    return session.execute(statement.options(defer(Variant.config)).limit(1)).first()


def bundle(session: Session, row: Evidence, signed: Variant) -> bytes:
    """The signature that `row` is about."""
    match row.what:
        case oci_documents.PUBLISHER:
            return signed.publisher_bundle
        case oci_documents.REGISTRY:
            return signed.registry_bundle
        case _:
            mark = session.get_one(Watermark, signed.id)
            is_derivation = row.what == oci_documents.DERIVATION
            return mark.bundle if is_derivation else mark.signature


def _ready(statement: _Selected, model: str) -> _Selected:
    """Only of the variants of the model's ready versions."""
    return statement.where(
        Variant.version_id == Version.id, Version.model == model, Version.status == READY
    )


def name_evidence(
    session: Session, variant_id: int, subject: bytes, bundles: Mapping[str, bytes]
) -> None:
    """Write down how bundles about a variant, whose manifest is `subject`, are called."""
    named = [
        {
            "variant_id": variant_id,
            "what": what,
            "manifest": digests.of(
                oci_documents.evidence(content, subject=subject, predicate=_PREDICATES.get(what))
            ),
            "bundle": digests.of(content),
        }
        for what, content in bundles.items()
    ]
    _INSERT.write(session, named)
