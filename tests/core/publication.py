"""A published version made by hand: keys, files, bundles, a log around it, and its envelope."""

from dataclasses import dataclass, field, replace

from registry.core import digest, entries, envelope, manifest, merkle, note, oms, statement
from registry.core import trustroot as roots
from registry.core.dsse import Signer, signer
from registry.trust import keys, sign

ORIGIN = "plimsoll.test/log"


def stored(leaves: list[bytes]) -> merkle.Subtrees:
    """Every complete subtree over `leaves`, as the registry would keep them."""
    found: dict[tuple[int, int], bytes] = {}
    for index, leaf in enumerate(leaves):
        for level, place, value in merkle.appended(index, leaf, lambda lv, i: found[lv, i]):
            found[level, place] = value
    return lambda level, index: found[level, index]


@dataclass
class Publication:
    """Publishes `contents` as `model`@`version`; change a field before calling `envelope`."""

    contents: dict[str, bytes]
    model: str = "digits"
    version: int = 1
    format: str = "onnx"
    publisher: keys.SigningKey = field(default_factory=keys.generate_signing_key)
    registry: keys.SigningKey = field(default_factory=keys.generate_signing_key)
    log: keys.LogKey = field(default_factory=keys.generate_log_key)
    reconcilers: tuple[Signer, ...] = ()
    licence: str = ""
    others_before: int = 3
    others_after: int = 4

    @property
    def files(self) -> list[oms.File]:
        return [oms.File(path, digest.of(data), len(data)) for path, data in self.contents.items()]

    @property
    def built(self) -> manifest.Built:
        return manifest.build(
            model=self.model,
            version=self.version,
            format=self.format,
            files=self.files,
            origin=manifest.Origin(licence=self.licence),
        )

    @property
    def wanted(self) -> envelope.Wanted:
        return envelope.Wanted(self.model, self.version, self.built.digest)

    @property
    def trust(self) -> roots.TrustRoot:
        return roots.TrustRoot(
            publishers=(signer("alice", self.publisher.public_pem),),
            registry=signer("registry", self.registry.public_pem),
            log=note.LogKey(ORIGIN, self.log.public_raw),
            reconcilers=self.reconcilers,
        )

    @property
    def said(self) -> statement.Version:
        return statement.Version(
            self.model, self.version, self.built.digest, self.format, publisher="alice"
        )

    @property
    def entry(self) -> entries.Entry:
        return entries.Entry(
            time="2026-11-23T08:00:00Z",
            kind=entries.Kind.PUBLISHED,
            actor="publisher:alice",
            model=self.model,
            version=self.version,
            digest=self.built.digest,
        )

    def parts(self) -> envelope.Parts:
        """The honest pieces; `replace` one to tell a lie."""
        leaf = entries.encode(self.entry)
        leaves = [b"before %d" % number for number in range(self.others_before)]
        leaves += [leaf, *(b"after %d" % number for number in range(self.others_after))]
        subtrees, size = stored(leaves), len(leaves)
        root = merkle.root(size, subtrees)
        return envelope.Parts(
            manifest=self.built.manifest,
            publisher_bundle=sign.sign_model(self.model, self.files, self.publisher),
            registry_bundle=sign.sign_version(self.said, self.registry),
            index=self.others_before,
            leaf=leaf,
            proof=merkle.inclusion_proof(self.others_before, size, subtrees),
            checkpoint=sign.sign_checkpoint(ORIGIN, size, root, self.log),
        )

    def envelope(self, **lies: object) -> bytes:
        """The envelope as a registry would send it, with `lies` put in."""
        return envelope.encode(self.wanted, replace(self.parts(), **lies))  # type: ignore[arg-type]
