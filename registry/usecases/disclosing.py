"""What is told of marks: those of a version, and the key of one recipient's copy to an auditor."""

from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import digest as digests
from registry.core import entries, facts
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.watermark import disclosure, keys
from registry.core.watermark.disclosure import Disclosure
from registry.core.watermark.scheme import OWNER
from registry.db import detections, watermarks
from registry.db import log as log_rows
from registry.db.detections import Marked
from registry.db.engine import Session
from registry.db.tables_watermark import Watermark
from registry.formats import suspect
from registry.trust import sign
from registry.usecases import log, watermark_keys
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

_REASON = 2000


@dataclass(frozen=True, slots=True)
class Mark:
    """A variant's mark, and the hosts that pulled it: each has, or may have, a copy of its own."""

    marked: Marked
    row: Watermark
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """Whose copy's key; `variant` empty is the version's first that is marked."""

    model: str
    version: int
    variant: str
    recipient: str
    reason: str


@dataclass(frozen=True, slots=True)
class Disclosed:
    """The key, signed, and where the log has that it was given."""

    bundle: dict[str, Json]
    log_index: int


def marks(registry: Registry, model: str, version: int) -> list[Mark]:
    """Of all the version's variants, the first one first; none where it is not marked."""
    with registry.database.reading() as session:
        found = detections.marked(session, model, version)
        hosts = tuple(detections.recipients(session, model, version)) if found else ()
        rows = watermarks.of_variants(session, [one.variant_id for one in found])
    return [Mark(one, rows[one.variant_id], hosts) for one in found]


def disclose(registry: Registry, wish: Wish, by: Caller) -> Disclosed:
    """Raises NotFound where there is no such mark or copy. Logged with the key's digest."""
    facts.require_text(wish.reason, what="the reason", limit=_REASON)
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        marked, row = _mark(session, wish)
        payload = disclosure.encode(_disclosure(session, registry, wish, marked, row))
        entry = entries.Entry(
            time=log.stamp(now),
            kind=Kind.WATERMARK_KEY_GIVEN,
            actor=by.actor,
            model=wish.model,
            version=wish.version,
            digest=marked.digest,
            host="" if wish.recipient == OWNER else wish.recipient,
            reason=wish.reason,
            detail={"recipient": wish.recipient, "key": digests.of(payload)},
        )
        index = log.append(session, registry, entry, now=now)
        session.commit()
    return Disclosed(sign.sign_statement(payload, registry.signing_key), index)


def _mark(session: Session, wish: Wish) -> tuple[Marked, Watermark]:
    for marked in detections.marked(session, wish.model, wish.version):
        row = watermarks.find(session, marked.variant_id)
        if row is not None and wish.variant in {"", marked.variant}:
            return marked, row
    raise errors.NotFound(
        f"{wish.model} version {wish.version} has no mark"
        + (f" in its variant {wish.variant[:80]!r}" if wish.variant else ""),
        fix="see `plimsoll watermark show` for the marks of a version",
    )


def _disclosure(
    session: Session, registry: Registry, wish: Wish, marked: Marked, row: Watermark
) -> Disclosure:
    hosts = detections.recipients(session, wish.model, wish.version)
    if wish.recipient != OWNER and wish.recipient not in hosts:
        raise errors.NotFound(
            f"host {wish.recipient[:80]!r} never pulled {wish.model} version {wish.version}",
            fix=f"name {OWNER!r}, or one of: {', '.join(hosts[:20]) or 'nobody has pulled it'}",
        )
    source = watermarks.sources(session, marked.variant_id)
    if not source:
        raise errors.Gone(
            f"{wish.model} version {wish.version} was erased, and what its mark is in with it",
            fix="a key for what is gone finds nothing",
        )
    master = watermark_keys.of_epoch(session, registry, row.epoch)
    weights = suspect.map_of(row.weights_map, {file.path: file.size for file in source})
    return Disclosure(
        wish.model,
        wish.version,
        marked.variant,
        marked.digest,
        wish.recipient,
        row.alpha,
        row.epoch,
        row.commitment,
        row.log_index,
        keys.version_key(master.secret, row.content).copy_key(wish.recipient),
        source,
        tuple(weights.tensors.values()),
    )
