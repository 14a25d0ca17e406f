"""A small log with everything that proves it, as an audit bundle: made here, with real keys."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from registry.core import (
    canonical,
    digest,
    dsse,
    entries,
    envelope,
    evidence,
    evidence_documents,
    manifest,
    merkle,
    note,
    oms,
    statement,
)
from registry.core.audit import archive, layout, readme, tiles
from registry.core.audit.archive import Member
from registry.core.audit.tree import Tree
from registry.core.entries import Entry, Kind
from registry.core.trustroot import TrustRoot
from registry.trust import keys, sign

ORIGIN = "plimsoll.test/log"
PUBLISHER, REGISTRY = keys.generate_signing_key(), keys.generate_signing_key()
APPROVER = keys.generate_signing_key()
LOG = keys.generate_log_key()
TRUST = TrustRoot(
    (dsse.signer("alice", PUBLISHER.public_pem),),
    dsse.signer("registry", REGISTRY.public_pem),
    note.LogKey(ORIGIN, LOG.public_raw),
    approvers=(dsse.signer("bob", APPROVER.public_pem),),
)
Documents = Mapping[str, bytes]


@dataclass(frozen=True)
class Story:
    """Entries in order, and the documents about some of them by their index."""

    entries: tuple[Entry, ...] = ()
    documents: Mapping[int, Documents] | None = None

    @property
    def leaves(self) -> list[bytes]:
        return [entries.encode(entry) for entry in self.entries]

    def then(self, *more: Entry) -> "Story":
        return replace(self, entries=(*self.entries, *more))

    def published(self, model: str, version: int, *, files: int = 1) -> "Story":
        """With one more version, whose proofs are all real."""
        entry, there = publication(model, version, files=files)
        known = {**(self.documents or {}), len(self.entries): there}
        return Story((*self.entries, entry), known)

    def digest(self, version: int) -> str:
        """Of a published version."""
        return next(
            one.digest
            for one in self.entries
            if (one.kind, one.version) == (Kind.PUBLISHED, version)
        )

    def approved(self, model: str, version: int) -> "Story":
        """With bob's approval of that published version."""
        about = envelope.Wanted(model, version, self.digest(version))
        payload = evidence_documents.approval(
            about, reason="looks right", at="2026-11-01T08:30:00Z"
        )
        bundle = sign.sign_statement(payload, APPROVER)
        signed = dsse.verify(bundle, TRUST.approvers)
        entry = Entry(
            time="2026-11-01T08:30:01.000Z",
            kind=Kind.APPROVED,
            actor="approver:p-0123456789abcdef",
            model=model,
            version=version,
            digest=about.digest,
            detail={"evidence": evidence.identity(signed.payload, signed.key)},
        )
        known = {
            **(self.documents or {}),
            len(self.entries): {"evidence": canonical.encode(bundle)},
        }
        return Story((*self.entries, entry), known)

    def checkpoint(self, size: int | None = None) -> str:
        tree = Tree()
        leaves = self.leaves[:size]
        for start in range(0, len(leaves), tiles.WIDTH):
            tree.extend([merkle.leaf_hash(leaf) for leaf in leaves[start : start + tiles.WIDTH]])
        return sign.sign_checkpoint(ORIGIN, len(leaves), tree.root(), LOG)

    def members(self, *earlier: int) -> list[Member]:
        """The bundle's files in order, with earlier checkpoints at these sizes."""
        made = [
            Member(layout.README, readme.README),
            Member(layout.TRUST, canonical.encode(TRUST.document())),
            Member(layout.CHECKPOINT, self.checkpoint().encode()),
            *(Member(layout.earlier(size), self.checkpoint(size).encode()) for size in earlier),
        ]
        tree, leaves = Tree(), self.leaves
        for step in layout.steps(len(leaves)):
            some = leaves[step.start : step.start + step.width]
            tree.extend([merkle.leaf_hash(leaf) for leaf in some])
            made.append(Member(step.path, tiles.join(some)))
            made += [Member(tile.path, tree.tile(tile.level)) for tile in step.tiles]
            for index in range(step.start, step.start + step.width):
                there = (self.documents or {}).get(index, {})
                made += [document(index, role, there[role]) for role in sorted(there)]
        return made


def publication(model: str, version: int, *, files: int = 1) -> tuple[Entry, Documents]:
    """The entry of a version signed by alice, and its documents."""
    listed = [
        oms.File(f"weights/{number}.bin", digest.of(b"%d" % number), 10) for number in range(files)
    ]
    built = manifest.build(model=model, version=version, format="onnx", files=listed)
    said = statement.Version(model, version, built.digest, "onnx", "alice")
    return (
        Entry(
            time=f"2026-11-01T08:{version % 60:02d}:00.000Z",
            kind=Kind.PUBLISHED,
            actor="publisher:alice",
            model=model,
            version=version,
            digest=built.digest,
            detail={"publisher": "alice", "format": "onnx"},
        ),
        {
            "config": built.config,
            "manifest": built.manifest,
            "publisher": canonical.encode(sign.sign_model(model, listed, PUBLISHER)),
            "registry": canonical.encode(sign.sign_version(said, REGISTRY)),
        },
    )


def document(index: int, role: str, content: bytes) -> Member:
    return Member(layout.Document(index, role, hashlib.sha256(content).hexdigest()).name, content)


def packed(members: Iterable[Member]) -> bytes:
    return b"".join(archive.pack(member) for member in members) + archive.END


def event(
    kind: Kind, version: int, minute: int, *, host: str = "edge-1", digest: str = ""
) -> Entry:
    """What a reconciler reports of version `version` of digits."""
    return Entry(
        time=f"2026-11-23T09:{minute % 60:02d}:00.000Z",
        kind=kind,
        actor="reconciler:main",
        model="digits",
        version=version,
        digest=digest or f"sha256:{version:064x}",
        host=host,
        deployment="production/digits",
        commit=f"{version:040x}",
        reason=f"commit {version}",
    )


def busy(count: int) -> Sequence[Entry]:
    """So many entries that nothing else is said of."""
    return [event(Kind.VERIFIED, 1, number) for number in range(count)]
