"""Brings a checked bundle into another registry: bytes that are there already are not sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from registry import errors
from registry.cli import statements, wire
from registry.cli.client import Client
from registry.core import bundle, canonical, digest, evidence, fields, oci, weighing
from registry.core.canonical import Json
from registry.core.trustroot import TrustRoot
from registry.making import bundles
from registry.making.archive import Archive, Member
from registry.making.bundles import Checked

_BYTES = {"Content-Type": "application/octet-stream"}


@contextmanager
def checked(file: Path, trust: TrustRoot) -> Iterator[Checked]:
    """The bundle, open, every byte of it checked; raises InvalidInput where it cannot be read."""
    try:
        archive = Archive(file)
    except OSError as error:
        raise errors.InvalidInput(
            f"{file}: cannot be read: {error.strerror}", fix="name the file that was exported"
        ) from error
    with archive:
        yield bundles.check(archive, trust)


def into(client: Client, found: Checked, repository: str) -> int:
    """Publish the version, push the image; gives how many bytes went over. Safe to repeat."""
    if found.verified.derivation is not None:
        raise errors.Unsupported(
            "the version carries its registry's mark, which no other registry can vouch for",
            fix="load the image: docker load, or skopeo copy oci-archive:FILE",
        )
    target = oci.repository(repository or f"imported/{found.verified.wanted.model}")
    sent = sum(
        _blob(client, found, target, file.digest, found.files[file.path])
        for file in found.verified.files
    )
    _publish(client, found)
    if found.parts.image:
        sent += _push(client, found, target)
    return sent


def file_evidence(client: Client, found: Checked) -> tuple[list[dict[str, Json]], list[str]]:
    """File each statement about the version that is in the bundle; safe to repeat.

    Gives those that are filed now, and why each of the others is not: this registry knows its
    signer not, or the token may not bring its kind. Raises what keeps all of them from being filed.
    """
    wanted, filed, refused = found.verified.wanted, [], list[str]()
    envelope = canonical.decode_object(found.parts.envelope, what="pull envelope")
    said = (
        fields.objects(envelope, "evidence", what="pull envelope") if "evidence" in envelope else ()
    )
    for item in sorted((weighing.parse(one) for one in said), key=lambda one: one.index):
        try:
            filed.append(statements.add(client, wanted.model, wanted.version, item.bundle))
        except (errors.Forbidden, errors.SignatureInvalid, errors.Conflict) as error:
            refused.append(f"{evidence.kind(item.bundle)}: {error.detail}")
    return filed, refused


def _publish(client: Client, found: Checked) -> None:
    wanted = found.verified.wanted
    listed: list[Json] = [
        {"path": one.path, "digest": one.digest, "size": one.size} for one in found.verified.files
    ]
    envelope = canonical.decode_object(found.parts.envelope, what="pull envelope")
    document: dict[str, Json] = {
        "version": wanted.version,
        "format": found.verified.format,
        "files": listed,
        "publisherBundle": envelope["publisherBundle"],
        "metadata": {**bundles.origin(found)},
    }
    published = client.publish(wanted.model, document)
    if fields.text(published, "digest", what="version") != wanted.digest:
        raise errors.Conflict(
            f"{wanted.model}@{wanted.version} is there, with another digest than {wanted.digest}",
            fix="import it into a registry where this number is free, or is this version",
        )


def _push(client: Client, found: Checked, target: str) -> int:
    parts, archive = found.parts, found.archive
    index = digest.of(parts.image)
    manifests = [*parts.manifests, index]
    others = [one for one in found.layout.blobs if one not in manifests]
    own = oci.parse(parts.manifests[found.verified.wanted.digest], oci.IMAGE)
    sent = 0
    for one in others:
        member = archive.members[bundle.blob_name(one)]
        sent += _blob(client, found, target, one, member)
    about = set(parts.referrers)
    images = [one for one in parts.manifests if one not in about and one != index]
    _require_config(client, target, own.blobs[0].digest)
    for one in images:
        _manifest(client, target, one, parts.manifests[one], oci.IMAGE)
    _manifest(client, target, parts.tag, parts.image, oci.INDEX)
    for one in parts.referrers:
        _manifest(client, target, one, parts.manifests[one], oci.IMAGE)
    return sent


def _require_config(client: Client, target: str, config: str) -> None:
    if not _has(client, target, config):
        raise errors.MissingContent(f"{config} did not arrive", fix="import it again")


def _blob(client: Client, found: Checked, target: str, one: str, member: Member) -> int:
    if _has(client, target, one):
        return 0
    span = wire.Span(found.archive.path, member.start, member.start + member.size, _unseen)
    path = f"/v2/{target}/blobs/uploads/?{urlencode({'digest': one})}"
    client.call("POST", path, [span], headers=_BYTES)
    return member.size


def _has(client: Client, target: str, one: str) -> bool:
    try:
        # Without a body there is no word on what a refusal means: the next call gets it.
        return client.wire.ask("HEAD", f"/v2/{target}/blobs/{one}", {}).is_success
    except wire.BROKEN as error:
        raise client.unreachable(error) from error


def _manifest(client: Client, target: str, reference: str, content: bytes, kind: str) -> None:
    path = f"/v2/{target}/manifests/{reference}"
    client.call("PUT", path, content, headers={"Content-Type": kind})


def _unseen(_: int) -> None:
    """Nobody is told."""
