"""The pull envelope: everything a host needs to decide, before it loads a byte, on one version.

`verify` is the one check that the publisher's client, the reconciler's preflight and every
runtime share. It does no I/O: who calls it brings the bytes, and afterwards compares each
file it downloads with `Verified.files`.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from registry.core import (
    canonical,
    cosignature,
    digest,
    dsse,
    entries,
    evidence,
    fields,
    manifest,
    marked,
    merkle,
    note,
    oms,
    own_copy,
    statement,
    weighing,
)
from registry.core.canonical import Json
from registry.core.checks import Check, CheckFailed, checking
from registry.core.oms import File
from registry.core.trustroot import TrustRoot
from registry.core.watermark.records import Derivation
from registry.errors import IntegrityError

_WHAT = "pull envelope"
# The field below has the module's name.
_Evidence: TypeAlias = tuple[evidence.Verified, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the desired state pins."""

    model: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Verified:
    """All checks held; `files` is what may be loaded, `checkpoint` the log it was proven in.

    `signers` are all who signed these files, the publisher first; `ignored` says of evidence
    that came with it, and does not count, why; `shown` is where the log has what came. `licence`
    is empty where the config, which says it, did not come. `scan` is what the registry signed
    that it found. `derivation` leads from what they signed to `files`, where those are marked.
    `recipient` is the host whose own copy they are; empty where they are the version's.
    """

    wanted: Wanted
    format: str
    files: tuple[File, ...]
    publisher: str
    log_index: int
    checkpoint: note.Checkpoint
    signers: tuple[str, ...] = ()
    evidence: _Evidence = ()
    ignored: tuple[str, ...] = ()
    licence: str = ""
    scan: dict[str, Json] = field(default_factory=dict)
    shown: frozenset[int] = frozenset()
    derivation: Derivation | None = None
    recipient: str = ""

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Refused:
    """`check` failed; `code` is the error's stable code, `reason` its sentence."""

    code: str
    reason: str
    check: str = Check.ENVELOPE


@dataclass(frozen=True, slots=True)
class Parts:
    """The pieces of an envelope before any of them is believed.

    `config` is the manifest's config document, `evidence` what `weighing.document` made,
    `derivation` the registry's bundle where the files are marked; `copy` its bundle where they are
    marked for one host.
    """

    manifest: bytes
    publisher_bundle: dict[str, Json]
    registry_bundle: dict[str, Json]
    index: int
    leaf: bytes
    proof: Sequence[bytes]
    checkpoint: str
    config: bytes = b""
    evidence: Sequence[dict[str, Json]] = ()
    derivation: dict[str, Json] | None = None
    copy: dict[str, Json] | None = None


def encode(wanted: Wanted, parts: Parts) -> bytes:
    """The envelope as the registry sends it."""
    said = {"derivation": parts.derivation, "copy": parts.copy}
    more: dict[str, Json] = {name: bundle for name, bundle in said.items() if bundle is not None}
    return canonical.encode(
        more
        | {
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
            "config": base64.b64encode(parts.config).decode(),
            "evidence": [*parts.evidence],
        }
    )


def verify(
    envelope: bytes, trust: TrustRoot, wanted: Wanted, *, now: float | None = None
) -> Verified | Refused:
    """Whether `envelope` proves that `wanted` may be served, and by which files.

    `now`, in seconds since 1970, is for what has just come from the registry: cosignatures from
    the future do not count then, nor those older than the trust root allows. A copy on disk,
    which nobody renews while the registry is away, is checked without it.
    """
    try:
        with checking(Check.ENVELOPE):
            return _verified(_parse(envelope), trust, wanted, now=now)
    except CheckFailed as failed:
        return Refused(failed.cause.code, failed.cause.detail, failed.check)


def _verified(parts: Parts, trust: TrustRoot, wanted: Wanted, *, now: float | None) -> Verified:
    with checking(Check.MANIFEST):
        actual = digest.of(parts.manifest)
        if actual != wanted.digest:
            raise IntegrityError(f"the manifest's digest is {actual}, pinned is {wanted.digest}")
        contents = manifest.parse(parts.manifest)
    with checking(Check.REGISTRY):
        said = statement.verify(parts.registry_bundle, *trust.registry_at(parts.index))
        _require_vouched(said, wanted)
    with checking(Check.LOG):
        checkpoint, entry = _logged(parts, trust, wanted)
    with checking(Check.WITNESS):
        _require_witnessed(checkpoint, trust, now)
    with checking(Check.DERIVATION):
        keys = trust.registry_at(parts.index)
        derivation = marked.derivation(parts.derivation, entry, contents.files, *keys)
        signed = marked.signed_files(derivation, contents.files)
    with checking(Check.PUBLISHER):
        by = trust.publishers_at(parts.index), trust.certified(parts.index, entry.time)
        publisher = dsse.verify(parts.publisher_bundle, *by)
        oms.require_files(publisher.payload, signed)
        if publisher.signer != said.publisher:
            raise IntegrityError(
                f"signed by {publisher.signer!r}, the registry recorded {said.publisher!r}"
            )
    with checking(Check.EVIDENCE):
        about = evidence.Subject(wanted.model, wanted.version, wanted.digest, signed)
        weighed = weighing.weigh(
            parts.evidence, about, trust, checkpoint=checkpoint, publisher=publisher
        )
        licence = _licence(parts.config, contents)
    with checking(Check.COPY):
        copy = _copy(parts, trust, derivation, contents)
    return Verified(
        wanted, said.format, copy.files if copy else contents.files, publisher.signer,
        parts.index, checkpoint, weighed.signers, weighed.evidence, weighed.ignored, licence,
        said.scan, weighed.shown, derivation, copy.recipient if copy else "",
    )  # fmt: skip


def _logged(
    parts: Parts, trust: TrustRoot, wanted: Wanted
) -> tuple[note.Checkpoint, entries.Entry]:
    """The checkpoint and the publication in it; when that was says which keys count."""
    checkpoint = note.verify_checkpoint(parts.checkpoint, trust.log)
    merkle.check_inclusion(
        parts.leaf, parts.index, checkpoint.size, proof=parts.proof, expected_root=checkpoint.root
    )
    entry = entries.decode(parts.leaf)
    _require_published(entry, wanted)
    return checkpoint, entry


def _require_witnessed(checkpoint: note.Checkpoint, trust: TrustRoot, now: float | None) -> None:
    cosignature.require(
        checkpoint,
        trust.witnesses,
        threshold=trust.witness_threshold,
        now=now,
        max_age_s=trust.witness_max_age,
    )


def _require_vouched(said: statement.Version, wanted: Wanted) -> None:
    if (said.model, said.version, said.digest) != (wanted.model, wanted.version, wanted.digest):
        raise IntegrityError(
            f"the registry vouches for {said.model}@{said.version}, "
            f"wanted is {wanted.model}@{wanted.version}"
        )


def _copy(
    parts: Parts, trust: TrustRoot, mark: Derivation | None, contents: manifest.Manifest
) -> Derivation | None:
    """The host's own copy, where the registry made one: perhaps long after the publication."""
    if parts.copy is None:
        return None
    if mark is None:
        raise IntegrityError("a copy for one host, of a version that bears no mark")
    keys = trust.registry_from(parts.index)
    return own_copy.verify(parts.copy, keys, of=mark, files=contents.files)


def _licence(config: bytes, contents: manifest.Manifest) -> str:
    """What the manifest's config says, empty without the one that the manifest names.

    That refuses nothing: configs of old versions were lost, and who leaves one out gains nothing.
    """
    return manifest.licence(config) if digest.of(config) == contents.config else ""


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
        config=fields.base64_bytes(document, "config", what=_WHAT) if "config" in document else b"",
        evidence=fields.objects(document, "evidence", what=_WHAT) if "evidence" in document else (),
        derivation=_optional(document, "derivation"),
        copy=_optional(document, "copy"),
    )


def _optional(document: dict[str, Json], name: str) -> dict[str, Json] | None:
    return fields.mapping(document, name, what=_WHAT) if name in document else None
