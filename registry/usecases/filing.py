"""One variant as it is filed: manifest, statement, signature, files and log entry agree, or not."""

from collections.abc import Iterable, Iterator

from registry import errors
from registry.core import canonical, digest, entries, manifest, marked, oms, statement
from registry.core.entries import Kind
from registry.core.oms import File
from registry.core.trustroot import TrustRoot
from registry.core.watermark.records import Derivation
from registry.db import auditing, tables
from registry.db.auditing import Filed
from registry.db.engine import Session

_DELETED = (Kind.EXPIRED, Kind.VERSION_DELETED)


def named(filed: Filed) -> str:
    """How people call it."""
    return f"{filed.version.model}@{filed.version.version} ({filed.variant.name})"


def flaws(session: Session, filed: Filed, trust: TrustRoot) -> Iterator[str]:
    """Everything about the variant that cannot be true."""
    yield from _entry_flaws(filed)
    yield from _statement_flaws(filed, trust)
    if filed.version.status != tables.ERASED:
        yield from _content_flaws(filed, trust)
    yield from _status_flaws(session, filed.version)


def is_unlisted(filed: Filed, trust: TrustRoot) -> bool:
    """Whether its publisher's key is not at hand, so that the signature cannot be checked."""
    is_listed = filed.variant.publisher in trust.publisher_names
    return filed.version.status != tables.ERASED and not is_listed


def _entry_flaws(filed: Filed) -> Iterator[str]:
    wanted = (
        Kind.PUBLISHED,
        filed.version.model,
        filed.version.version,
        filed.variant.digest,
    )
    try:
        entry = entries.decode(filed.leaf)
    except errors.InvalidInput:
        yield f"entry {filed.variant.log_index} of the log cannot be read"
        return
    if (entry.kind, entry.model, entry.version, entry.digest) != wanted:
        yield f"entry {filed.variant.log_index} of the log is not its publication"


def _statement_flaws(filed: Filed, trust: TrustRoot) -> Iterator[str]:
    variant, version = filed.variant, filed.version
    try:
        bundle = canonical.decode_object(variant.registry_bundle, what="the registry's statement")
        said = statement.verify(bundle, *trust.registry_at(variant.log_index))
    except (errors.InvalidInput, errors.IntegrityError) as error:
        yield f"the registry's statement: {error.detail}"
        return
    filed_as = statement.Version(
        version.model,
        version.version,
        variant.digest,
        variant.format,
        variant.publisher,
        said.scan,
    )
    if said != filed_as:
        yield f"the registry's statement is about {said.model}@{said.version} {said.digest}"


def _content_flaws(filed: Filed, trust: TrustRoot) -> Iterator[str]:
    variant = filed.variant
    if (actual := digest.of(variant.manifest)) != variant.digest:
        yield f"its manifest has digest {actual}, filed is {variant.digest}"
        return
    try:
        contents = manifest.parse(variant.manifest)
    except errors.InvalidInput as error:
        yield error.detail
        return
    if (variant.config_digest, digest.of(variant.config)) != (contents.config, contents.config):
        yield "its config is not the one that its manifest names"
    is_there = filed.version.status == tables.READY
    if set(filed.files) != (set(contents.files) if is_there else set()):
        yield "the files it refers to are not those of its manifest"
    try:
        derivation = _derivation(filed, contents.files, trust)
    except (errors.InvalidInput, errors.IntegrityError) as error:
        yield f"its watermark: {error.detail}"
        return
    yield from _signature_flaws(filed, marked.signed_files(derivation, contents.files), trust)


def _derivation(filed: Filed, files: tuple[File, ...], trust: TrustRoot) -> Derivation | None:
    variant = filed.variant
    bundle = None
    if filed.derivation:
        bundle = canonical.decode_object(filed.derivation, what="the derivation")
    entry, keys = entries.decode(filed.leaf), trust.registry_at(variant.log_index)
    return marked.derivation(bundle, entry, files, *keys)


def _signature_flaws(filed: Filed, files: Iterable[File], trust: TrustRoot) -> Iterator[str]:
    variant = filed.variant
    if variant.publisher not in trust.publisher_names:
        return
    try:
        bundle = canonical.decode_object(variant.publisher_bundle, what="the model's signature")
        at = trust.certified(variant.log_index, entries.decode(filed.leaf).time)
        signer = oms.verify(bundle, files, trust.publishers_at(variant.log_index), at)
    except (errors.InvalidInput, errors.IntegrityError) as error:
        yield f"the model's signature: {error.detail}"
        return
    if signer != variant.publisher:
        yield f"it was signed by {signer!r}, filed is {variant.publisher!r}"


def _status_flaws(session: Session, version: tables.Version) -> Iterator[str]:
    """Bytes go only with an entry in the log that says so."""
    model, number = version.model, version.version
    if version.status == tables.ERASED:
        if not auditing.kinds_about(session, model, number, [Kind.ERASED]):
            yield "it is erased, and no entry of the log says so"
    elif version.status == tables.EXPIRED:
        by_itself = auditing.kinds_about(session, model, number, _DELETED)
        if not by_itself | auditing.kinds_about(session, model, 0, [Kind.MODEL_DELETED]):
            yield "it has expired, and no entry of the log says so"
    elif version.status != tables.READY:
        yield f"it is published, and filed as {version.status}"
