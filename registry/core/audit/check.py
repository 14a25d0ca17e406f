"""The check of a whole log, read once from front to back, whoever brings it: file or server.

`walk` trusts the trust root it is given and nothing else. It yields every entry with its
documents, and gathers in `Findings` all that is wrong; where the form itself is broken it raises
BundleInvalid. Entries are true only once the walk is over and `Findings.flaws` is empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from registry.core import canonical, digest, entries, evidence, merkle, note
from registry.core.audit import checkpoints, documents, layout, readme, tiles
from registry.core.audit.archive import Member
from registry.core.audit.documents import Flaw
from registry.core.audit.tree import Tree
from registry.core.entries import Entry
from registry.core.trustroot import TrustRoot
from registry.errors import BundleInvalid, IntegrityError, InvalidInput

_MOST = 100


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


@dataclass(slots=True)
class Findings:
    """What was read and what is wrong with it. `notices` are no flaws, but worth a look."""

    checkpoint: note.Checkpoint | None = None
    witnesses: tuple[str, ...] = ()
    earlier: list[note.Checkpoint] = field(default_factory=list)
    entries: int = 0
    documents: int = 0
    erased: int = 0
    flaws: list[Flaw] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        """One more flaw; after the first hundred the point is made."""
        if len(self.flaws) < _MOST:
            self.flaws.append(Flaw(where, what))

    @property
    def signed(self) -> note.Checkpoint:
        """The checkpoint; raises BundleInvalid where none verified."""
        if self.checkpoint is None:
            raise BundleInvalid("no checkpoint of this log was found")
        return self.checkpoint


def walk(
    members: Iterator[Member],
    trust: TrustRoot,
    found: Findings,
    remembered: Sequence[note.Checkpoint] = (),
    *,
    required: documents.Required = documents.required,
) -> Iterator[Recorded]:
    """Every entry in order. `remembered` are checkpoints that the log must have grown from."""
    source = _Source(members)
    _head(source, trust, found)
    trees = _Trees(found, [*found.earlier, *remembered])
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


class _Source:
    """The members, one of them looked at ahead."""

    def __init__(self, members: Iterator[Member]) -> None:
        self._members = members
        self._next = next(members, None)

    def peek(self) -> Member | None:
        return self._next

    def take(self, name: str) -> bytes:
        """The content of the next member, which must be called so."""
        member = self._next
        if member is None or member.name != name:
            there = "the end" if member is None else member.name
            raise BundleInvalid(f"{name} is missing: {there} stands in its place")
        self._next = next(self._members, None)
        return member.content


def _head(source: _Source, trust: TrustRoot, found: Findings) -> None:
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


class _Trees:
    """The tree over the entries, and where a tile contradicts them, a second over the tiles:
    whichever of them has the signed root tells which of the two was changed."""

    def __init__(self, found: Findings, seen: Sequence[note.Checkpoint]) -> None:
        self._found = found
        self._tree, self._other = Tree(), Tree()
        self._seen = sorted(seen, key=lambda one: one.size)
        self._conflict: tuple[int, str, str] | None = None
        for one in self._seen:
            if one.size == 0:
                self._require_grown_from(one)

    def extend(self, hashes: Sequence[bytes], source: _Source, step: layout.Step) -> None:
        self._grow(hashes, step.start)
        for wanted in step.tiles:
            content = source.take(wanted.path)
            if wanted.level == 0:
                self._compare(hashes, content, step, wanted)
            elif content != self._tree.tile(wanted.level):
                self._found.add(wanted.path, "its hashes are not those of the entries")

    def finish(self) -> None:
        signed = self._found.signed
        for one in self._seen:
            if one.size > signed.size:
                self._found.add(
                    "checkpoint",
                    f"the log had {one.size} entries when it was last seen, here it has "
                    f"{signed.size}",
                )
        is_signed = self._tree.root() == signed.root
        if self._conflict is None and not is_signed:
            self._found.add("checkpoint", "its root is not that of the entries")
        if self._conflict is not None:
            self._blame(is_signed=is_signed)

    def _blame(self, *, is_signed: bool) -> None:
        index, entries_path, tile_path = self._conflict or (0, "", "")
        if is_signed:
            self._found.add(tile_path, f"the hash of entry {index} is not the signed one")
        elif self._other.root() == self._found.signed.root:
            self._found.add(
                entries_path, f"entry {index} is not the one that was signed: it was changed"
            )
        else:
            self._found.add(
                "checkpoint",
                f"its root is neither that of the entries nor that of the hashes; they differ "
                f"first at entry {index} ({entries_path}, {tile_path})",
            )

    def _grow(self, hashes: Sequence[bytes], start: int) -> None:
        done = 0
        for one in self._seen:
            if start < one.size <= start + len(hashes):
                self._tree.extend(hashes[done : one.size - start])
                done = max(done, one.size - start)
                self._require_grown_from(one)
        self._tree.extend(hashes[done:])

    def _require_grown_from(self, one: note.Checkpoint) -> None:
        if self._tree.root() != one.root:
            self._found.add(
                "checkpoint",
                f"the first {one.size} entries are not those that were signed earlier: history "
                "was rewritten",
            )

    def _compare(
        self, hashes: Sequence[bytes], content: bytes, step: layout.Step, wanted: layout.Tile
    ) -> None:
        is_same = content == b"".join(hashes)
        if not is_same and len(content) != len(hashes) * 32:
            raise BundleInvalid(f"{wanted.path} is not {len(hashes)} hashes long")
        shown = [content[at : at + 32] for at in range(0, len(content), 32)]
        if not is_same and self._conflict is None:
            first = next(at for at, one in enumerate(shown) if one != hashes[at])
            self._conflict = (step.start + first, step.path, wanted.path)
        self._other.extend(shown)


class _Proofs:
    """Entries with their documents. What an erasure may have taken is owed until the end."""

    def __init__(
        self, source: _Source, trust: TrustRoot, found: Findings, required: documents.Required
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


def require_sound(found: Findings) -> None:
    """Raise IntegrityError, naming the first flaws."""
    if found.flaws:
        listed = "; ".join(f"{flaw.where}: {flaw.what}" for flaw in found.flaws[:10])
        more = f"; and {len(found.flaws) - 10} more" if len(found.flaws) > 10 else ""
        raise IntegrityError(
            f"{listed}{more}",
            fix="keep what you have as evidence; do not rely on anything in it",
        )
