"""Evidence as it is filed: row, bundle and log entry agree, or not; and none was lost."""

from collections.abc import Iterator

from registry import errors
from registry.core import canonical, digest, dsse, entries, weighing
from registry.core import evidence as statements
from registry.core.evidence import Kind
from registry.core.trustroot import TrustRoot
from registry.db import evidence as rows
from registry.db import tables
from registry.db.engine import Session
from registry.db.tables_evidence import Evidence


def flaws(session: Session, trust: TrustRoot) -> Iterator[tuple[str, str]]:
    """Everything that cannot be true: of what, and why."""
    for row, version, leaf in rows.everything(session):
        what = f"evidence {row.log_index} of {version.model}@{version.version}"
        for why in _flaws(row, version, leaf, trust):
            yield what, why
    for index, model, number in rows.unfiled(session, sorted(set(weighing.ENTRIES.values()))):
        yield f"{model}@{number}", f"entry {index} of the log names evidence that is not there"


def _flaws(row: Evidence, version: tables.Version, leaf: bytes, trust: TrustRoot) -> Iterator[str]:
    kind = Kind(row.kind)
    try:
        entry = entries.decode(leaf)
    except errors.InvalidInput:
        yield "its entry of the log cannot be read"
        return
    wanted = (weighing.ENTRIES[kind], version.model, version.version, row.digest, row.statement)
    said = entry.detail.get("evidence")
    if (entry.kind, entry.model, entry.version, entry.digest, said) != wanted:
        yield "its entry of the log is about something else"
    if version.status == tables.ERASED:
        return
    if digest.of(row.bundle) != row.bundle_digest:
        yield "its bundle is not the one that was filed"
        return
    yield from _signature_flaws(row, kind, trust)


def _signature_flaws(row: Evidence, kind: Kind, trust: TrustRoot) -> Iterator[str]:
    """Of who is no longer in the trust root, the signature was checked when it came."""
    listed = statements.signers(trust, kind)
    if row.key not in {signer.hint for signer in listed}:
        return
    try:
        bundle = canonical.decode_object(row.bundle, what="bundle")
        signed = dsse.verify(bundle, listed)
    except (errors.InvalidInput, errors.IntegrityError) as error:
        yield f"its signature: {error.detail}"
        return
    if statements.identity(signed.payload, signed.key) != row.statement:
        yield "it is filed under the id of another statement"
