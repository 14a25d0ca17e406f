"""Files that `plimsoll trust` works on: trust roots, drafts of them, public keys, certificates."""

import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from registry import errors
from registry.core import canonical, certificates, dsse, fields, names, trustchain
from registry.core.certificates import Authority, Identity
from registry.core.dsse import Signer
from registry.core.trustchain import Link
from registry.core.trustroot import TrustRoot


def now() -> datetime:
    """The time by which a root is current."""
    return datetime.now(UTC)


def read(path: Path) -> bytes:
    """The file's bytes; raises InvalidConfig."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path} cannot be read: {error.strerror}", fix="name a file that is there"
        ) from error


def newest(path: Path) -> TrustRoot:
    """The newest version in a trust root's file, its chain checked."""
    return trustchain.read(read(path))


def draft(path: Path) -> Link:
    """A draft with the signatures that it has so far; raises InvalidInput."""
    return trustchain.link(canonical.decode_object(read(path), what=str(path)))


def draft_or_none(path: Path) -> Link | None:
    """The draft, if the file is one."""
    document = canonical.decode_object(read(path), what=str(path))
    return trustchain.link(document) if "payloadType" in document else None


def encoded(link: Link) -> bytes:
    """A draft as its file holds it."""
    return (json.dumps(link.document(), indent=1) + "\n").encode()


def followed(path: Path, made: Link) -> bytes:
    """The file `path` with the version `made` after those it has; raises TrustRootRefused."""
    before = read(path)
    links = trustchain.parse(before)
    content = trustchain.encode([*links, made])
    trustchain.read(content, before if links else b"")
    return content


def write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path} cannot be written: {error.strerror}",
            fix="name a file in a folder that this user may write to",
        ) from error


def named_key(pair: str) -> Signer:
    """NAME=FILE, as options take it."""
    name, separator, file = pair.partition("=")
    if not separator:
        raise errors.InvalidInput(f"{pair[:80]!r} is not NAME=FILE")
    return public_key(name, Path(file))


def public_key(name: str, path: Path) -> Signer:
    """From a PEM file, or from the JSON that `plimsoll keys generate` prints."""
    names.slug(name, what="signer name")
    text = read(path).decode("utf-8", errors="replace")
    if text.lstrip().startswith("{"):
        document = canonical.decode_object(text, what=str(path))
        text = fields.text(document, "publicKey", what=str(path))
    return dsse.signer(name, text)


def authority(name: str, certificate: Path, pairs: Sequence[str]) -> Authority:
    """From its certificate's file and KIND:VALUE=NAME for each identity."""
    pem = read(certificate).decode("utf-8", errors="replace")
    return certificates.authority(
        names.slug(name, what="authority name"), pem, tuple(_identity(pair) for pair in pairs)
    )


def rows(trust: TrustRoot) -> Iterator[tuple[object, ...]]:
    """Role, name, from and up to which entry of the log; a line for each key."""
    roles = (
        ("publisher", trust.publishers),
        ("approver", trust.approvers),
        ("tester", trust.testers),
        ("reconciler", trust.reconcilers),
        ("agent", trust.agents),
        ("registry", (trust.registry, *trust.former)),
    )
    for role, signers in roles:
        for signer in signers:
            yield role, signer.name, signer.since or None, signer.until
    for one in trust.authorities:
        for identity in one.identities:
            said = f"{identity.name} ({one.name}, {identity.kind} {identity.value})"
            yield "publisher", said, identity.since or None, identity.until
    yield "log", trust.log.origin, None, None
    for witness in trust.witnesses:
        yield f"witness ({trust.witness_threshold} needed)", witness.name, None, None
    if trust.root is not None:
        for key in trust.root.keys:
            yield f"root ({trust.root.threshold} needed)", key.name, None, None


def _identity(pair: str) -> Identity:
    borne, separator, name = pair.rpartition("=")
    kind, colon, value = borne.partition(":")
    if not separator or not colon or kind not in {"email", "uri"} or not value:
        raise errors.InvalidInput(
            f"{pair[:80]!r} is not an identity",
            fix="write email:ada@example.org=ada or uri:spiffe://example.org/ci=ci",
        )
    return Identity(kind, value, names.slug(name, what="publisher name"))
