"""Hands a version out with all its proofs, and records which host took it."""

from datetime import UTC, datetime

from registry.core import canonical, entries, envelope
from registry.db import versions
from registry.usecases import log
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry


def bundle(registry: Registry, *, model: str, version: int, by: Caller) -> bytes:
    """The pull envelope (registry.core.envelope); raises NotFound."""
    if by.role is Role.HOST:
        _record(registry, model=model, version=version, host=by)
    with registry.database.reading() as session:
        found = versions.version(session, model, version)
        proof = log.prove(session, found.log_index)
    return envelope.encode(
        envelope.Wanted(found.model, found.version, found.digest),
        envelope.Parts(
            manifest=found.manifest,
            publisher_bundle=canonical.decode_object(
                found.publisher_bundle, what="stored publisher bundle"
            ),
            registry_bundle=canonical.decode_object(
                found.registry_bundle, what="stored registry bundle"
            ),
            index=proof.index,
            leaf=proof.leaf,
            proof=proof.hashes,
            checkpoint=proof.checkpoint,
        ),
    )


def _record(registry: Registry, *, model: str, version: int, host: Caller) -> None:
    """Logged before anything is handed out: a pull that is not on record does not happen."""
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        found = versions.version(session, model, version)
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.PULLED,
            actor=host.actor,
            model=model,
            version=version,
            digest=found.digest,
            host=host.name,
        )
        log.append(session, registry, entry, now=now)
        session.commit()
