"""The pull envelope: everything a host needs to decide, before it loads a byte, on one version.

`verify` is the one check that the publisher's client, the reconciler's preflight and every
runtime share. It does no I/O: who calls it brings the bytes, and afterwards compares each
file it downloads with `Verified.files`.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from registry.core import canonical, digest, entries, fields, manifest, merkle, note, oms, statement
from registry.core.canonical import Json
from registry.core.oms import File
from registry.core.trustroot import TrustRoot
from registry.errors import IntegrityError, InvalidInput

_WHAT = "pull envelope"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the desired state pins."""

    model: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Verified:
    """All checks held; `files` is what may be loaded, `log_size` the log it was proven in."""

    wanted: Wanted
    format: str
    files: tuple[File, ...]
    publisher: str
    log_index: int
    checkpoint: note.Checkpoint


@dataclass(frozen=True, slots=True)
class Refused:
    """A check failed; `code` is the error's stable code, `reason` its sentence."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Parts:
    """The pieces of an envelope before any of them is believed."""

    manifest: bytes
    publisher_bundle: dict[str, Json]
    registry_bundle: dict[str, Json]
    index: int
    leaf: bytes
    proof: Sequence[bytes]
    checkpoint: str


def encode(wanted: Wanted, parts: Parts) -> bytes:
    """The envelope as the registry sends it."""
    return canonical.encode(
        {
            "model": wanted.model,
            "version": wanted.version,
            "digest": wanted.digest,
            "manifest": base64.b64encode(parts.manifest).decode(),
            "publisherBundle": parts.publisher_bundle,
            "registryBundle": parts.registry_bundle,
            "proof": {
                "index": parts.index,
                "entry": base64.b64encode(parts.leaf).decode(),
                "hashes": [base64.b64encode(sibling).decode() for sibling in parts.proof],
                "checkpoint": parts.checkpoint,
            },
        }
    )


def verify(envelope: bytes, trust: TrustRoot, wanted: Wanted) -> Verified | Refused:
    """Whether `envelope` proves that `wanted` may be served, and by which files."""
    try:
        return _verified(_parse(envelope), trust, wanted)
    except (IntegrityError, InvalidInput) as error:
        return Refused(error.code, error.detail)


def _verified(parts: Parts, trust: TrustRoot, wanted: Wanted) -> Verified:
    actual = digest.of(parts.manifest)
    if actual != wanted.digest:
        raise IntegrityError(f"the manifest's digest is {actual}, pinned is {wanted.digest}")
    said = statement.verify(parts.registry_bundle, trust.registry)
    if (said.model, said.version, said.digest) != (wanted.model, wanted.version, wanted.digest):
        raise IntegrityError(
            f"the registry vouches for {said.model}@{said.version}, "
            f"wanted is {wanted.model}@{wanted.version}"
        )
    contents = manifest.parse(parts.manifest)
    publisher = oms.verify(parts.publisher_bundle, contents.files, trust.publishers)
    if publisher != said.publisher:
        raise IntegrityError(f"signed by {publisher!r}, the registry recorded {said.publisher!r}")
    checkpoint = note.verify_checkpoint(parts.checkpoint, trust.log)
    merkle.check_inclusion(
        parts.leaf, parts.index, checkpoint.size, proof=parts.proof, expected_root=checkpoint.root
    )
    _require_published(entries.decode(parts.leaf), wanted)
    return Verified(wanted, said.format, contents.files, publisher, parts.index, checkpoint)


def _require_published(entry: entries.Entry, wanted: Wanted) -> None:
    recorded = (entry.kind, entry.model, entry.version, entry.digest)
    if recorded != (entries.Kind.PUBLISHED, wanted.model, wanted.version, wanted.digest):
        raise IntegrityError(
            f"the log entry shown is not the publication of {wanted.model}@{wanted.version}"
        )


def _parse(envelope: bytes) -> Parts:
    document = canonical.decode_object(envelope, what=_WHAT)
    proof = fields.mapping(document, "proof", what=_WHAT)
    return Parts(
        manifest=fields.base64_bytes(document, "manifest", what=_WHAT),
        publisher_bundle=fields.mapping(document, "publisherBundle", what=_WHAT),
        registry_bundle=fields.mapping(document, "registryBundle", what=_WHAT),
        index=fields.integer(proof, "index", what=_WHAT),
        leaf=fields.base64_bytes(proof, "entry", what=_WHAT),
        proof=[
            fields.unbase64(sibling, what="log proof")
            for sibling in fields.sequence(proof, "hashes", what=_WHAT)
        ],
        checkpoint=fields.text(proof, "checkpoint", what=_WHAT),
    )
