"""What a log entry needs to be proven by, and whether what the bundle has proves it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from registry.core import canonical, digest, fields, manifest, oms, statement
from registry.core.audit.layout import ROLES
from registry.core.canonical import Json
from registry.core.entries import Entry, Kind
from registry.core.trustroot import TrustRoot
from registry.errors import IntegrityError, InvalidInput

# An erasure takes these: they may hold personal data, such as paths. The statement stays.
ERASABLE = frozenset({"config", "manifest", "publisher"})
Documents = Mapping[str, bytes]
Required = Callable[[Entry], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong, and where: a file of the bundle, or an entry of the log."""

    where: str
    what: str


def required(entry: Entry) -> tuple[str, ...]:
    """The roles of the documents that must be there for this entry, in order."""
    return ROLES if entry.kind is Kind.PUBLISHED else ()


def nothing(entry: Entry) -> tuple[str, ...]:
    """For whoever may not see documents: then none may be there."""
    return ()


def erased(entry: Entry) -> tuple[str, int] | None:
    """The version that this entry records the erasure of."""
    if entry.kind is Kind.ERASED and entry.version:
        return entry.model, entry.version
    return None


@dataclass(frozen=True, slots=True)
class Case:
    """Entry `index` of the log, the documents about it, and whom to trust."""

    index: int
    entry: Entry
    found: Documents
    trust: TrustRoot


def flaws(case: Case) -> Iterator[str]:
    """Why these documents do not prove this entry; nothing where they do.

    What is missing is not looked at here: a part that needs it is passed over.
    """
    for check in (_statement, _manifest, _config, _publisher):
        if case.entry.kind is Kind.PUBLISHED:
            yield from _failing(check, case)


def _failing(check: Callable[[Case], None], case: Case) -> Iterator[str]:
    try:
        check(case)
    except (IntegrityError, InvalidInput) as error:
        yield error.detail


def _statement(case: Case) -> None:
    entry, found = case.entry, case.found
    if "registry" not in found:
        return
    said = statement.verify(_json(found, "registry"), *case.trust.registry_at(case.index))
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
    entry, found = case.entry, case.found
    if "manifest" in found and digest.of(found["manifest"]) != entry.digest:
        raise IntegrityError(
            f"the manifest's digest is {digest.of(found['manifest'])}, logged is {entry.digest}"
        )


def _config(case: Case) -> None:
    found = case.found
    if not {"config", "manifest"} <= found.keys():
        return
    named = manifest.parse(found["manifest"]).config
    if digest.of(found["config"]) != named:
        raise IntegrityError(f"the config is not the one that the manifest names, {named}")


def _publisher(case: Case) -> None:
    entry, found = case.entry, case.found
    if not {"publisher", "manifest"} <= found.keys():
        return
    listed = manifest.parse(found["manifest"]).files
    signer = oms.verify(
        _json(found, "publisher"),
        listed,
        case.trust.publishers_at(case.index),
        case.trust.certified(case.index, entry.time),
    )
    if signer != entry.detail.get("publisher", signer):
        raise IntegrityError(f"signed by {signer!r}, logged is {entry.detail['publisher']!r}")


def _json(found: Documents, role: str) -> dict[str, Json]:
    return canonical.decode_object(found[role], what=f"{role} document")


def publisher(entry: Entry) -> str:
    """Who signed the files of what this entry published, as far as it says."""
    return fields.text(entry.detail, "publisher", what="detail") if (
        isinstance(entry.detail.get("publisher"), str)
    ) else ""  # fmt: skip
