"""Erases a version for good: its bytes and all personal data go, a tombstone stays.

The tombstone is what proves that there was a version and that it is gone: number, digests, the
registry's signed statement, and two entries in the log, `published` and `erased`. First the
record changes and the bytes are condemned, in one transaction; then they go. A crash in between
leaves them condemned: erasing again, or the next sweep, removes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from registry import errors
from registry.core import digest as hashes
from registry.core import entries, manifest
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.db import clock, erasure, leases, tables, versions, watermarks
from registry.db import keys as key_rows
from registry.db import log as log_rows
from registry.db import retention as rows
from registry.db.engine import Session
from registry.usecases import aliases, destroyed, holds, log, retention, sweep, verification
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

# A leaf of the log has room for so many names, and for what else it says.
_NAMED = 400


@dataclass(frozen=True, slots=True)
class Erased:
    """What went. `shared` bytes stay, each with who else refers to it.

    `staged` counts uploaded artifacts that were the very same bytes, `evidence` what was pushed
    about the version through OCI: they went too. `keys` of encrypted blobs were destroyed: no
    backup brings them back.
    `log_index` is the entry that says so; None where the version was erased before.
    """

    model: str
    version: int
    digest: str
    log_index: int | None
    removed_blobs: int = 0
    removed_bytes: int = 0
    staged: int = 0
    evidence: int = 0
    keys: int = 0
    shared: Mapping[str, Sequence[str]] = field(default_factory=dict)


def erase(registry: Registry, *, model: str, version: int, reason: str, by: Caller) -> Erased:
    """Raises NotFound, Conflict where it is deployed or on hold, Busy while a backup runs."""
    said = holds.require_reason(reason)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        _require_no_lease(session)
        found = versions.version(session, model, version)
        if found.status == tables.ERASED:
            done = Erased(model, version, found.digest or "", None)
            bytes_of: set[str] = set()
        else:
            _require_removable(session, model, version)
            done, bytes_of = _bury(session, registry, found, said, by)
            session.commit()
    # Also when it is erased already: the list may not have been written when that broke off.
    destroyed.save(registry.settings, registry.database)
    if done.log_index is None:
        sweep.purge(registry)
        return done
    gone = sweep.remove(registry, bytes_of, before=sweep.AT_ONCE)
    return replace(done, removed_blobs=gone.count, removed_bytes=gone.size)


def erase_model(registry: Registry, *, model: str, reason: str, by: Caller) -> list[Erased]:
    """All versions, then what is said of the model itself; raises like `erase`.

    The slug stays taken, and its numbers are not given out again. Interrupted, do it again.
    """
    said = holds.require_reason(reason)
    with registry.database.reading() as session:
        _require_no_lease(session)
        _require_present(session, model)
        _require_removable(session, model, None)
        numbers = erasure.numbers_of(session, model)
    done = [erase(registry, model=model, version=one, reason=said, by=by) for one in numbers]
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        _require_removable(session, model, None)
        found = _require_present(session, model)
        if erasure.numbers_of(session, model):
            raise errors.Conflict(
                f"model {model!r} got another version in the meantime", fix="erase it again"
            )
        erasure.erase_model(session, found, now=now)
        entry = entries.Entry(
            time=log.stamp(now), kind=Kind.ERASED, actor=by.actor, model=model, reason=said
        )
        log.append(session, registry, entry, now=now)
        session.commit()
    return done


def _require_no_lease(session: Session) -> None:
    held = leases.active(session, clock.now(session))
    if held:
        raise errors.Busy(
            f"a {held[0].purpose} by {held[0].taken_by} is reading all bytes: none can go now",
            fix=f"try again when it is done, at the latest at {held[0].expires_at:%H:%M:%S} UTC",
        )


def _require_removable(session: Session, model: str, version: int | None) -> None:
    holds.require_free(session, model, version)
    retention.require_undeployed(session, model, version)


def _require_present(session: Session, model: str) -> tables.Model:
    found = versions.find_model(session, model)
    if found is None:
        raise errors.NotFound(f"no model {model!r}", fix="see GET /v1/models for those there are")
    return found


def _bytes_of(session: Session, version: tables.Version) -> set[str]:
    """By its manifests, for an expired version's files are listed nowhere else."""
    listed = erasure.manifests_of(session, version.id)
    digests = {file.digest for one in listed for file in manifest.parse(one).files}
    return digests | erasure.frozen_as(session, version.id)


def _bury(
    session: Session, registry: Registry, version: tables.Version, reason: str, by: Caller
) -> tuple[Erased, set[str]]:
    """Also gives the bytes that shall go, where nothing else refers to them."""
    now = datetime.now(UTC)
    # The duty to erase is above the rule that protects an alias.
    for alias in erasure.aliases_of(session, version):
        why = f"version {version.version} was erased"
        aliases.detach(session, registry, alias, digest=version.digest or "", reason=why, by=by)
    evidence, digests = erasure.drop_evidence(session, version)
    digests |= _bytes_of(session, version) | watermarks.erase(session, version.id)
    erasure.erase_version(session, version, message="erased", now=now)
    staged = erasure.drop_staged(session, version.id, digests)
    rows.condemn_at_once(session, digests, at=sweep.AT_ONCE)
    shared = rows.referrers_of(session, digests)
    keys = key_rows.of_blobs(session, digests - shared.keys())
    key_rows.deny(session, keys, now=now)
    index = _record(session, registry, version, reason, _told(evidence, keys), by)
    version.status_message = f"erased on {now:%Y-%m-%d}, entry {index} of the log"
    done = Erased(
        version.model,
        version.version,
        version.digest or "",
        index,
        staged=staged,
        evidence=evidence,
        keys=len(keys),
        shared={
            digest: list(verification.owned(session, digest, shared)) for digest in sorted(shared)
        },
    )
    return done, digests


def _told(evidence: int, keys: Sequence[str]) -> dict[str, Json]:
    """Which keys were destroyed: by name, or by the digest of their names where they are many."""
    told: dict[str, Json] = {"evidence": evidence}
    if len(keys) > _NAMED:
        told["keys"] = {"count": len(keys), "digest": hashes.of("\n".join(keys).encode())}
    elif keys:
        told["keys"] = list(keys)
    return told


def _record(
    session: Session,
    registry: Registry,
    version: tables.Version,
    reason: str,
    told: dict[str, Json],
    by: Caller,
) -> int:
    now = datetime.now(UTC)
    detail: dict[str, Json] = {"variants": dict(erasure.variants_of(session, version.id)), **told}
    entry = entries.Entry(
        time=log.stamp(now),
        kind=Kind.ERASED,
        actor=by.actor,
        model=version.model,
        version=version.version,
        digest=version.digest or "",
        reason=reason,
        detail=detail,
    )
    return log.append(session, registry, entry, now=now)
