"""What a log entry needs to be proven by, and whether what the bundle has proves it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from registry.core import (
    canonical,
    digest,
    dsse,
    evidence,
    manifest,
    marked,
    oms,
    statement,
    weighing,
)
from registry.core.canonical import Json
from registry.core.entries import Entry, Kind
from registry.core.oms import File
from registry.core.trustroot import TrustRoot
from registry.errors import IntegrityError, InvalidInput

# By kind of entry, in the order in which they stand in the bundle: by name. Whoever signs a
# version once more signs its files, and those are in its manifest.
ROLES: Mapping[Kind, tuple[str, ...]] = {
    Kind.PUBLISHED: ("config", "manifest", "publisher", "registry"),
    Kind.SIGNED: ("evidence", "manifest"),
    Kind.APPROVED: ("evidence",),
    Kind.ATTESTED: ("evidence",),
    Kind.EXPLAINED: ("evidence",),
    Kind.REVOKED: ("evidence",),
}
# Where files are marked, who signed them signed what this says they were made from.
DERIVATION = "derivation"
# An erasure takes these: they may hold personal data, such as paths. The statement stays.
ERASABLE = frozenset({"config", DERIVATION, "evidence", "manifest", "publisher"})
Documents = Mapping[str, bytes]
Required = Callable[[Entry], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong, and where: a file of the bundle, or an entry of the log."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Case:
    """Entry `index` of the log, the documents about it, and whom to trust."""

    index: int
    entry: Entry
    found: Documents
    trust: TrustRoot

    @property
    def files(self) -> tuple[File, ...]:
        """The files that the manifest lists, where it is there."""
        there = self.found.get("manifest")
        return manifest.parse(there).files if there is not None else ()

    @property
    def signed(self) -> tuple[File, ...]:
        """The files that publishers signed; raises where what leads to these does not hold."""
        bundle = _json(self, DERIVATION) if DERIVATION in self.found else None
        # Of a later signature's entry: the key may have changed since the publication.
        keys: tuple[dsse.Signer, ...] = (self.trust.registry, *self.trust.former)
        if self.entry.kind is Kind.PUBLISHED:
            keys = self.trust.registry_at(self.index)
        return marked.signed_files(
            marked.derivation(bundle, self.entry, self.files, *keys), self.files
        )


def required(entry: Entry) -> tuple[str, ...]:
    """The roles of the documents that must be there for this entry, in order."""
    roles = ROLES.get(entry.kind, ())
    if "manifest" in roles and marked.DETAIL in entry.detail:
        return tuple(sorted((*roles, DERIVATION)))
    return roles


def nothing(entry: Entry) -> tuple[str, ...]:
    """For whoever may not see documents: then none may be there."""
    return ()


def erased(entry: Entry) -> tuple[str, int] | None:
    """The version that this entry records the erasure of."""
    if entry.kind is Kind.ERASED and entry.version:
        return entry.model, entry.version
    return None


def flaws(case: Case) -> Iterator[str]:
    """Why these documents do not prove this entry; nothing where they do.

    What is missing is not looked at here: a part that needs it is passed over.
    """
    for role, check in _CHECKS.items():
        if role in case.found:
            try:
                check(case)
            except (IntegrityError, InvalidInput) as error:
                yield error.detail


def said(case: Case) -> evidence.Statement | None:
    """The evidence that this entry records; None where it is no such entry, or it was erased.

    Raises IntegrityError or InvalidInput where it is not that, or not signed by who may.
    """
    if "evidence" not in case.found or _lacks_files(case):
        return None
    bundle, entry = _json(case, "evidence"), case.entry
    trusted = evidence.trusted(case.trust, evidence.kind(bundle), index=case.index, at=entry.time)
    about = evidence.Subject(entry.model, entry.version, entry.digest, _files_of(case, bundle))
    found = evidence.read(bundle, about, trusted)
    if (weighing.ENTRIES[found.kind], found.id) != (entry.kind, entry.detail.get("evidence")):
        raise IntegrityError(f"the evidence there is {found.kind} {found.id}, not what is logged")
    return found


def _files_of(case: Case, bundle: dict[str, Json]) -> tuple[File, ...]:
    """Only a further model signature is about files."""
    return case.signed if evidence.kind(bundle) is evidence.Kind.SIGNATURE else ()


def _statement(case: Case) -> None:
    entry = case.entry
    said = statement.verify(_json(case, "registry"), *case.trust.registry_at(case.index))
    if (said.model, said.version, said.digest) != (entry.model, entry.version, entry.digest):
        raise IntegrityError(
            f"the registry vouches for {said.model}@{said.version} ({said.digest}), "
            f"logged is {entry.model}@{entry.version} ({entry.digest})"
        )
    for name, value in (("publisher", said.publisher), ("format", said.format)):
        if entry.detail.get(name, value) != value:
            raise IntegrityError(
                f"the registry vouches for {name} {value!r}, logged is {entry.detail[name]!r}"
            )


def _manifest(case: Case) -> None:
    actual = digest.of(case.found["manifest"])
    if actual != case.entry.digest:
        raise IntegrityError(f"the manifest's digest is {actual}, logged is {case.entry.digest}")


def _config(case: Case) -> None:
    if "manifest" not in case.found:
        return
    named = manifest.parse(case.found["manifest"]).config
    if digest.of(case.found["config"]) != named:
        raise IntegrityError(f"the config is not the one that the manifest names, {named}")


def _lacks_files(case: Case) -> bool:
    """Whether it is not to be seen, for an erasure say, which files were signed."""
    return any(
        role not in case.found for role in required(case.entry) if role in {"manifest", DERIVATION}
    )


def _publisher(case: Case) -> None:
    if _lacks_files(case):
        return
    trust, entry = case.trust, case.entry
    signer = oms.verify(
        _json(case, "publisher"),
        case.signed,
        trust.publishers_at(case.index),
        trust.certified(case.index, entry.time),
    )
    if signer != entry.detail.get("publisher", signer):
        raise IntegrityError(f"signed by {signer!r}, logged is {entry.detail['publisher']!r}")


def _evidence(case: Case) -> None:
    said(case)


def _json(case: Case, role: str) -> dict[str, Json]:
    return canonical.decode_object(case.found[role], what=f"{role} document")


_CHECKS: Mapping[str, Callable[[Case], None]] = {
    "registry": _statement,
    "manifest": _manifest,
    "config": _config,
    "publisher": _publisher,
    "evidence": _evidence,
}
