"""Makes a host's own copy of a variant, as settings and its mark say: digests and a statement.

One pass over the original computes what the copy's files will be; no byte of them is kept. What
one host asks for twice at once is made once. Replicas do not wait for each other: what they make
is the same, and the first to write it down is who signed it. A crash in between leaves nothing,
and the next to ask begins anew.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from registry import errors
from registry.core import canonical
from registry.core.canonical import Json
from registry.core.identity import Caller
from registry.core.oms import File
from registry.core.watermark import records
from registry.core.watermark.records import Derivation
from registry.db import host_copies, tables, watermarks
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.db.tables_host_copies import HostCopy, HostCopyFile
from registry.db.tables_watermark import Watermark
from registry.formats import marking
from registry.formats.marking import Sealed
from registry.trust import sign
from registry.usecases import encrypted_delivery, fingerprinted, hosts, originals
from registry.usecases.fingerprinted import Recipe
from registry.usecases.opening import Registry

OFF, HOSTS, REQUIRED = "off", "hosts", "required"


@dataclass(frozen=True, slots=True)
class Own:
    """A copy for one host: the digest of its files, and the registry's statement on them."""

    content: str
    bundle: dict[str, Json]

    @property
    def told(self) -> dict[str, Json]:
        """What the log says of it."""
        return {"copy": self.content}


@dataclass(frozen=True, slots=True)
class Unmarked:
    """The host gets the version's own files; `reason` is empty where nobody asked for more."""

    reason: str

    @property
    def told(self) -> dict[str, Json]:
        """What the log says of it."""
        return {"unmarked": self.reason} if self.reason else {}


Given: TypeAlias = Own | Unmarked


@dataclass(frozen=True, slots=True)
class _Order:
    """What to make, for whom."""

    model: str
    version: int
    mark: Watermark
    host: str


def given(registry: Registry, variant: tables.Variant, asked: tuple[str, int], by: Caller) -> Given:
    """What the host gets of this variant of `asked`, a model and a version.

    Raises Busy while its copy is being made, Forbidden for a revoked host, PolicyDenied where
    hosts get only copies of their own and there cannot be one.
    """
    copies = registry.settings.watermark.copies
    if copies == OFF:
        return Unmarked("")
    encrypted_delivery.require_welcome(registry, by)
    with registry.database.reading() as session:
        mark = watermarks.find(session, variant.id)
        known = host_copies.find(session, variant.id, by.name)
    if known is not None:
        return _own(known)
    if mark is None:
        return _unmarked(asked, is_required=copies == REQUIRED)
    order = _Order(*asked, mark, by.name)
    made: Own = registry.workshop.making.get((variant.id, by.name), partial(_make, registry, order))
    return made


def _unmarked(asked: tuple[str, int], *, is_required: bool) -> Unmarked:
    model, version = asked
    if is_required:
        raise errors.PolicyDenied(
            f"{model}@{version} carries no watermark, and here hosts get only copies of their own",
            fix="publish it with a watermark; a model too small for one needs "
            'watermark_copies = "hosts"',
        )
    return Unmarked(f"{model}@{version} carries no watermark")


def _make(registry: Registry, order: _Order) -> Own:
    with registry.database.reading() as session:
        known = host_copies.find(session, order.mark.variant_id, order.host)
        made_by = fingerprinted.recipe(registry, session, order.mark, order.host)
    if known is not None:
        return _own(known)
    began = time.monotonic()
    sealed = _sealed(registry, made_by)
    said = _derivation(order, made_by, sealed)
    bundle = sign.sign_statement(records.encode(said), registry.signing_key)
    copy = HostCopy(
        variant_id=order.mark.variant_id,
        host=order.host,
        content=records.content_digest(said.files),
        created_at=datetime.now(UTC),
        bundle=canonical.encode(bundle),
    )
    kept = _keep(registry, order, copy, _rows(order, made_by, sealed))
    size = sum(file.size for file in made_by.sources if file.path in sealed.digests)
    registry.workshop.note(size=size, seconds=time.monotonic() - began)
    return _own(kept)


def _sealed(registry: Registry, made_by: Recipe) -> Sealed:
    """The pass: bytes come from the store, and only digests and checksums stay."""
    sizes = {file.path: file.size for file in made_by.sources}
    with originals.opened(registry.blobs, made_by.digests()) as stored:

        def read(path: str, start: int, stop: int) -> bytes:
            registry.workshop.making.require_going_on()
            return stored(path, start, stop)

        return marking.seal(made_by.weights, made_by.marker, read, sizes)


def _derivation(order: _Order, made_by: Recipe, sealed: Sealed) -> Derivation:
    mark = order.mark
    return Derivation(
        model=order.model,
        version=order.version,
        recipient=order.host,
        scheme=mark.scheme,
        alpha=mark.alpha,
        weights=mark.weights,
        predicted_z=mark.predicted_z,
        commitment=mark.commitment,
        source=tuple(made_by.sources),
        files=tuple(
            File(file.path, sealed.digests.get(file.path, file.digest), file.size)
            for file in made_by.sources
        ),
        detail={},
    )


def _rows(order: _Order, made_by: Recipe, sealed: Sealed) -> list[HostCopyFile]:
    return [
        HostCopyFile(
            variant_id=order.mark.variant_id,
            host=order.host,
            path=file.path,
            digest=sealed.digests[file.path],
            source=file.digest,
            size=file.size,
            patches=fingerprinted.patches_document(
                one for one in sealed.patches if one.path == file.path
            ),
        )
        for file in made_by.sources
        if file.path in sealed.digests
    ]


def _keep(registry: Registry, order: _Order, copy: HostCopy, files: list[HostCopyFile]) -> HostCopy:
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        _require_wanted(session, order)
        kept = host_copies.add(session, copy, files)
        session.commit()
        return kept


def _require_wanted(session: Session, order: _Order) -> None:
    """While it was made, version and host may have gone; then it must not come back by this."""
    if not host_copies.is_there(session, order.mark.variant_id):
        raise errors.Gone(f"{order.model}@{order.version} was removed while its copy was made")
    if hosts.is_revoked(session, order.host):
        raise encrypted_delivery.revoked(order.host)


def _own(row: HostCopy) -> Own:
    return Own(row.content, canonical.decode_object(row.bundle, what="stored copy statement"))
