"""Hands a version out with all its proofs, and records which host took it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from registry import errors
from registry.core import canonical, entries, envelope, weighing
from registry.core.canonical import Json
from registry.db import evidence as rows
from registry.db import tables, versions, watermarks
from registry.db.engine import Session
from registry.db.tables_evidence import Evidence
from registry.usecases import fingerprinting, log
from registry.usecases.access import Caller, Role
from registry.usecases.fingerprinting import Given, Own, Unmarked
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Asked:
    """Which variant of a version is asked for.

    By `variant`, its name; or by the `digest` that a desired state pins. A version without that
    digest gives its first variant, so that whoever verifies can say what it is and was not.
    """

    model: str
    version: int
    variant: str = ""
    digest: str = ""


def bundle(registry: Registry, asked: Asked, by: Caller) -> bytes:
    """The pull envelope (registry.core.envelope); raises NotFound.

    A host gets it with a copy of its own, where the settings say so: see `fingerprinting.given`.
    """
    own: Given = Unmarked("")
    if by.role is Role.HOST:
        own = _given(registry, asked, by)
        record(registry, asked, by, own.told)
    with registry.database.reading() as session:
        found = chosen(session, asked)
        view = _view(registry, session, found)
        # What the view does not have yet cannot be proven in it, and travels once it has.
        told = [one for one in rows.delivered(session, found.id) if one.log_index < view.size]
        indexes = [found.log_index, *(one.log_index for one in told)]
        proof, *others = log.prove_all(session, indexes, view)
        derivation = _derivation(session, found)
    own_copy = own.bundle if isinstance(own, Own) else None
    told_of = [_item(*one) for one in zip(told, others, strict=True)]
    parts = _parts(found, proof, derivation, told_of)
    return envelope.encode(_wanted(asked, found), replace(parts, copy=own_copy))


def as_published(
    registry: Registry, session: Session, asked: Asked, found: tables.Variant
) -> bytes:
    """The envelope of a variant without what was said of it later: the same bytes each time.

    Where hosts demand witnesses it is proven in what these cosigned last, so changes with that.
    """
    view = _view(registry, session, found)
    if not registry.witnesses().threshold:
        view = log.as_of(session, registry, found.log_index + 1)
    proof = log.prove(session, found.log_index, view)
    parts = _parts(found, proof, _derivation(session, found), [])
    return envelope.encode(_wanted(asked, found), parts)


def _wanted(asked: Asked, found: tables.Variant) -> envelope.Wanted:
    return envelope.Wanted(asked.model, asked.version, found.digest)


def _parts(
    found: tables.Variant,
    proof: log.Proof,
    derivation: dict[str, Json] | None,
    told: list[dict[str, Json]],
) -> envelope.Parts:
    publisher, registry = "stored publisher bundle", "stored registry bundle"
    return envelope.Parts(
        manifest=found.manifest,
        publisher_bundle=canonical.decode_object(found.publisher_bundle, what=publisher),
        registry_bundle=canonical.decode_object(found.registry_bundle, what=registry),
        index=proof.index,
        leaf=proof.leaf,
        proof=proof.hashes,
        checkpoint=proof.checkpoint,
        config=found.config,
        evidence=told,
        derivation=derivation,
    )


def _derivation(session: Session, found: tables.Variant) -> dict[str, Json] | None:
    """What leads from the publisher's files to these; None where they are the publisher's."""
    mark = None if found.watermark is None else watermarks.find(session, found.id)
    return None if mark is None else canonical.decode_object(mark.bundle, what="stored derivation")


def _given(registry: Registry, asked: Asked, host: Caller) -> Given:
    with registry.database.reading() as session:
        found = chosen(session, asked)
    return fingerprinting.given(registry, found, (asked.model, asked.version), host)


def _view(registry: Registry, session: Session, found: tables.Variant) -> log.View:
    """The log as hosts will believe it: cosigned, where they demand that; else the newest."""
    threshold = registry.witnesses().threshold
    if not threshold:
        return log.newest(session)
    view = log.cosigned(session)
    if found.log_index >= view.size:
        raise errors.Unavailable(
            f"entry {found.log_index} of the log, which publishes this, is not yet cosigned by "
            f"{threshold} of the witnesses (the first {view.size} entries are)",
            fix="try again in some seconds; if that does not help, see that the witnesses run",
        )
    return view


def _item(row: Evidence, proof: log.Proof) -> dict[str, Json]:
    try:
        bundle = canonical.decode_object(row.bundle, what="stored evidence")
    except errors.InvalidInput:
        # One broken row must not keep the version from anybody; without its bundle it is nothing.
        bundle = {}
    return weighing.document(weighing.Delivered(bundle, proof.index, proof.leaf, proof.hashes))


def record(
    registry: Registry, asked: Asked, host: Caller, told: dict[str, Json] | None = None
) -> None:
    """Logged before anything is handed out: a pull that is not on record does not happen.

    `told` says which copy it was.
    """
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        found = chosen(session, asked)
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.PULLED,
            actor=host.actor,
            model=asked.model,
            version=asked.version,
            digest=found.digest,
            host=host.name,
            detail=told or {},
        )
        log.append(session, registry, entry, now=now)
        session.commit()


def ready(session: Session, model: str, number: int) -> tables.Version:
    """The version, if it can be had; raises NotFound or Gone."""
    version = versions.version(session, model, number)
    if version.status == tables.READY:
        return version
    is_gone = version.status in {tables.EXPIRED, tables.ERASED}
    kind = errors.Gone if is_gone else errors.NotFound
    raise kind(
        f"{model} version {number} is {version.status}"
        + (f": {version.status_message}" if version.status_message else ""),
        fix="take a version that is ready",
    )


def chosen(session: Session, asked: Asked) -> tables.Variant:
    """The variant with its files; raises NotFound or Gone where it is not ready."""
    version = ready(session, asked.model, asked.version)
    there = versions.variants(session, version.id)
    if asked.variant:
        for found in there:
            if found.name == asked.variant:
                return found
        raise errors.NotFound(
            f"{asked.model} version {asked.version} has no variant {asked.variant[:80]!r}",
            fix=f"it has {', '.join(found.name for found in there)}",
        )
    by_digest = {found.digest: found for found in there}
    return by_digest.get(asked.digest) or there[0]
