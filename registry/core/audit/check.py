"""The check of a whole log, read once from front to back, whoever brings it: file or server.

`walk` trusts the trust root it is given and nothing else. It yields every entry with its
documents, and gathers in `Findings` all that is wrong; where the form itself is broken it raises
BundleInvalid. Entries are true only once the walk is over and `Findings.flaws` is empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry.core import canonical, digest, entries, evidence, merkle, note
from registry.core.audit import checkpoints, documents, layout, readme, tiles
from registry.core.audit.archive import Member
from registry.core.audit.documents import Flaw
from registry.core.audit.findings import Findings, Source
from registry.core.audit.growth import Trees
from registry.core.entries import Entry
from registry.core.trustroot import TrustRoot
from registry.errors import BundleInvalid, InvalidInput


@dataclass(frozen=True, slots=True)
class Recorded:
    """One entry: where it stands, its bytes, what they say, and the documents about it.

    `said` is the evidence that it records, if it records any and it verified.
    """

    index: int
    leaf: bytes
    entry: Entry
    documents: Mapping[str, bytes]
    said: evidence.Statement | None = None


def walk(
    members: Iterator[Member],
    trust: TrustRoot,
    found: Findings,
    remembered: Sequence[note.Checkpoint] = (),
    *,
    required: documents.Required = documents.required,
) -> Iterator[Recorded]:
    """Every entry in order. `remembered` are checkpoints that the log must have grown from."""
    source = Source(members)
    _head(source, trust, found)
    trees = Trees(found, [*found.earlier, *remembered])
    proofs = _Proofs(source, trust, found, required)
    for step in layout.steps(found.signed.size):
        leaves = _leaves(source.take(step.path), step)
        trees.extend([merkle.leaf_hash(leaf) for leaf in leaves], source, step)
        for offset, leaf in enumerate(leaves):
            recorded = proofs.take(step.start + offset, leaf)
            if recorded is not None:
                yield recorded
        found.entries += len(leaves)
    extra = source.peek()
    if extra is not None:
        raise BundleInvalid(f"{extra.name} is more than the log's {found.entries} entries need")
    trees.finish()
    proofs.finish()


def _head(source: Source, trust: TrustRoot, found: Findings) -> None:
    if source.take(layout.README) != readme.README:
        found.add(layout.README, "it is not the README of a bundle of version 1")
    if source.take(layout.TRUST) != canonical.encode(trust.document()):
        found.notices.append(
            "trust.json in the bundle is not the trust root that was used to check it"
        )
    found.checkpoint = checkpoints.verify(source.take(layout.CHECKPOINT), trust)
    found.witnesses = checkpoints.cosigned(found.checkpoint, trust)
    last = -1
    while (member := source.peek()) is not None:
        size = layout.earlier_size(member.name)
        if size is None:
            return
        one = checkpoints.verify(source.take(member.name), trust)
        if one.size != size or not last < size <= found.checkpoint.size:
            raise BundleInvalid(f"{member.name} holds a checkpoint over {one.size} entries")
        found.earlier.append(one)
        last = size


def _leaves(content: bytes, step: layout.Step) -> list[bytes]:
    try:
        leaves = tiles.split(content)
    except InvalidInput as error:
        raise BundleInvalid(f"{step.path}: {error.detail}") from error
    if len(leaves) != step.width:
        raise BundleInvalid(f"{step.path} has {len(leaves)} entries, {step.width} are due")
    return leaves


class _Proofs:
    """Entries with their documents. What an erasure may have taken is owed until the end."""

    def __init__(
        self, source: Source, trust: TrustRoot, found: Findings, required: documents.Required
    ) -> None:
        self._source, self._trust, self._found = source, trust, found
        self._required = required
        self._owed: dict[tuple[str, int], list[Flaw]] = {}
        self._ahead = ("", layout.Document(-1, "", ""))

    def take(self, index: int, leaf: bytes) -> Recorded | None:
        there = self._documents(index)
        try:
            entry = entries.decode(leaf)
        except InvalidInput as error:
            self._found.add(f"entry {index}", f"it is signed and yet no entry: {error.detail}")
            return None
        gone = documents.erased(entry)
        if gone is not None:
            self._owed.pop(gone, None)
            self._found.erased += 1
        wanted = self._required(entry)
        if not there and not wanted:
            return Recorded(index, leaf, entry, there)
        self._compare(index, entry, there, wanted)
        case = documents.Case(index, entry, there, self._trust)
        why = list(documents.flaws(case))
        for one in why:
            self._found.add(f"entry {index}", one)
        return Recorded(index, leaf, entry, there, None if why else documents.said(case))

    def finish(self) -> None:
        for owed in self._owed.values():
            for flaw in owed:
                self._found.add(flaw.where, flaw.what)

    def _compare(
        self, index: int, entry: Entry, there: Mapping[str, bytes], wanted: Sequence[str]
    ) -> None:
        for role in there:
            if role not in wanted:
                self._found.add(f"entry {index}", f"a {role} document is there, none belongs to it")
        for role in wanted:
            if role in there:
                continue
            owed = Flaw(f"entry {index}", f"its {role} document is withheld")
            if role in documents.ERASABLE:
                self._owed.setdefault((entry.model, entry.version), []).append(owed)
            else:
                self._found.add(owed.where, owed.what)

    def _named(self, name: str) -> layout.Document:
        """Read once: a document waits there while the entries before its own go by."""
        if self._ahead[0] != name:
            self._ahead = (name, layout.document(name))
        return self._ahead[1]

    def _documents(self, index: int) -> dict[str, bytes]:
        """Those of this entry, in the order in which they must stand."""
        there: dict[str, bytes] = {}
        while (member := self._source.peek()) and member.name.startswith("documents/"):
            said = self._named(member.name)
            if said.index != index:
                break
            if there and said.role <= max(there):
                raise BundleInvalid(f"{member.name} is out of order, or there twice")
            content = self._source.take(member.name)
            if digest.of(content) != f"sha256:{said.sha256}":
                self._found.add(member.name, "its bytes are not those that its name says")
            there[said.role] = content
            self._found.documents += 1
        return there
