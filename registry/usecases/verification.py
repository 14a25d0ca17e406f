"""Whether a registry is what its log says: every entry, every version, every byte.

The log's root is computed anew from all its leaves and compared with the signed checkpoint; each
variant's manifest, statement, signature and entry are checked against each other; each blob that
somebody refers to is read and hashed. Nothing is repaired here: each flaw is named.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from registry import errors
from registry.core import entries, merkle, note
from registry.core.trustroot import TrustRoot
from registry.db import auditing, dump
from registry.db import log as log_rows
from registry.db import retention as rows
from registry.db.engine import Session
from registry.db.tables_log import LogEntry
from registry.usecases import copying, filing, filing_evidence, log
from registry.usecases.opening import Registry
from registry.usecases.retention import Progress

_MOST = 200


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is damaged, and how."""

    what: str
    why: str


@dataclass(slots=True)
class Findings:
    """What was checked, and what is wrong.

    `unlisted` publishers have signed so many variants and are not in the trust root any more:
    their signatures were checked at publication, and were not checked again.
    """

    entries: int = 0
    root: str = ""
    variants: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    flaws: list[Flaw] = field(default_factory=list)
    unlisted: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, why: str) -> None:
        """One more flaw; after the first few hundred the point is made."""
        if len(self.flaws) < _MOST:
            self.flaws.append(Flaw(what, why))

    def require_none(self, fix: str) -> None:
        """Raise IntegrityError, naming the first flaws."""
        if self.flaws:
            said = "; ".join(f"{flaw.what}: {flaw.why}" for flaw in self.flaws[:10])
            more = f"; and {len(self.flaws) - 10} more" if len(self.flaws) > 10 else ""
            raise errors.IntegrityError(f"{said}{more}", fix=fix)


def verify(registry: Registry, trust: TrustRoot, progress: Progress = lambda *_: None) -> Findings:
    """Check a registry while it serves; changes nothing."""
    found = Findings()
    with registry.database.reading() as session:
        dump.unbounded(session)
        check_records(session, trust, found, progress)
    for shelf in _shelves(registry):
        _check_shelf(registry, shelf, found, progress)
    return found


def check_records(
    session: Session, trust: TrustRoot, found: Findings, progress: Progress = lambda *_: None
) -> None:
    """The log, and every variant against it."""
    head = log_rows.head(session)
    if head is None:
        found.add("the log", "it has no head")
        return
    try:
        signed = note.verify_checkpoint(head.checkpoint, trust.log)
    except (errors.InvalidInput, errors.SignatureInvalid) as error:
        found.add("the log's checkpoint", error.detail)
        return
    if signed.size != head.size:
        found.add("the log's head", f"it says {head.size} entries, {signed.size} are signed")
    _check_log(session, signed, found, progress)
    _check_variants(session, trust, found)
    for what, why in filing_evidence.flaws(session, trust):
        found.add(what, why)


def _check_variants(session: Session, trust: TrustRoot, found: Findings) -> None:
    for filed in auditing.variants(session):
        found.variants += 1
        for why in filing.flaws(session, filed, trust):
            found.add(filing.named(filed), why)
        if filing.is_unlisted(filed, trust):
            publisher = filed.variant.publisher
            found.unlisted[publisher] = found.unlisted.get(publisher, 0) + 1
    for index, model, version in auditing.unfiled(session):
        found.add(f"{model}@{version}", f"published in entry {index} of the log, and not there")


def _check_log(
    session: Session, signed: note.Checkpoint, found: Findings, progress: Progress
) -> None:
    newest: dict[int, tuple[int, bytes]] = {}
    for page in auditing.leaves(session, signed.size):
        progress("log", found.entries, signed.size)
        added: list[tuple[int, int, bytes]] = []
        for row in page:
            if row.index != found.entries:
                found.add(f"entry {found.entries} of the log", "it is missing")
                return
            steps = merkle.appended(row.index, row.leaf, lambda level, _: newest[level][1])
            newest.update({level: (index, value) for level, index, value in steps})
            added += steps
            found.entries += 1
            _check_row(row, found)
        _check_hashes(session, added, found)
    if found.entries != signed.size:
        found.add(f"entry {found.entries} of the log", "it is missing")
        return
    root = merkle.root(signed.size, lambda level, _: newest[level][1])
    found.root = root.hex()
    if root != signed.root:
        found.add(
            "the log", f"its entries have the root {root.hex()}, signed is {signed.root.hex()}"
        )
    if (after := auditing.beyond(session, signed.size)) is not None:
        found.add(f"entry {after} of the log", "it is beyond the signed end")


def _check_row(row: LogEntry, found: Findings) -> None:
    """The columns by which entries are found must say what the leaf says."""
    what = f"entry {row.index} of the log"
    try:
        entry = entries.decode(row.leaf)
    except errors.InvalidInput as error:
        found.add(what, error.detail)
        return
    told = (str(entry.kind), entry.model or None, entry.version or None)
    if told != (row.kind, row.model, row.version):
        found.add(what, f"it is filed as {row.kind} of {row.model}@{row.version}, and says {told}")
    _check_filed(row, entry, found)


def _check_filed(row: LogEntry, entry: entries.Entry, found: Findings) -> None:
    """Whose it is and where, as searches know it; what an older release wrote is not filed yet."""
    if row.actor_name is None:
        return
    wrong = [name for name, said in log.filed(entry).items() if getattr(row, name) != said]
    if wrong:
        found.add(f"entry {row.index} of the log", f"it is filed under another {wrong[0]}")


def _check_hashes(session: Session, added: list[tuple[int, int, bytes]], found: Findings) -> None:
    """What proofs are made of must be what the leaves give."""
    levels: dict[int, list[tuple[int, bytes]]] = {}
    for level, index, value in added:
        levels.setdefault(level, []).append((index, value))
    for level, values in levels.items():
        start, stop = values[0][0], values[-1][0] + 1
        stored = log_rows.row_of_hashes(session, level=level, start=start, stop=stop)
        if stored != b"".join(value for _, value in values):
            found.add(
                "the log's hashes", f"those of level {level} from {start} to {stop} are not right"
            )


def _shelves(registry: Registry) -> list[str]:
    with registry.database.reading() as session:
        return list(rows.shelves(session))


def _check_shelf(registry: Registry, shelf: str, found: Findings, progress: Progress) -> None:
    with registry.database.reading() as session:
        listed = [
            copying.Blob(digest, size)
            for digest, size, is_used in rows.listed(session, shelf)
            if is_used
        ]
        total = found.blob_bytes + sum(blob.size for blob in listed)
    for looked in copying.check(iter(listed), registry.blobs):
        found.blobs, found.blob_bytes = found.blobs + 1, found.blob_bytes + looked.blob.size
        progress("bytes", found.blob_bytes, total)
        if looked.flaw:
            _note(registry, looked, found)


def _note(registry: Registry, looked: copying.Looked, found: Findings) -> None:
    """Unless what referred to it is gone by now, and the bytes with it."""
    with registry.database.reading() as session:
        still = rows.referrers_of(session, [looked.blob.digest])
        for what in owned(session, looked.blob.digest, still):
            found.add(what, f"{looked.flaw} ({looked.blob.digest})")


def owned(session: Session, digest: str, referrers: dict[str, list[str]]) -> Iterator[str]:
    """Whose bytes these are: files of versions by name, others by their kind."""
    files = auditing.owners(session, digest)
    yield from files
    if not files:
        yield from referrers.get(digest, [])
