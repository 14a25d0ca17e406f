"""Offline bundles: checked from the first byte to the last, before anything of one is used."""

from collections.abc import Iterator
from dataclasses import dataclass

from registry import errors
from registry.core import bom, bundle, canonical, fields, image, layer, manifest, oci
from registry.core import digest as digests
from registry.core import envelope as envelopes
from registry.core.bundle import Layout, Parts
from registry.core.envelope import Refused, Verified, Wanted
from registry.core.oci_documents import BUNDLE_TYPE
from registry.core.oms import File
from registry.core.trustroot import TrustRoot
from registry.making.archive import Archive, Member


@dataclass(frozen=True, slots=True)
class Checked:
    """A bundle of which every byte is what the trust root vouches for.

    `files` says where in the archive the version's files are.
    """

    archive: Archive
    parts: Parts
    layout: Layout
    files: dict[str, Member]

    @property
    def verified(self) -> Verified:
        """The version."""
        return self.parts.verified


def check(archive: Archive, trust: TrustRoot) -> Checked:
    """Raises IntegrityError, SignatureInvalid, InvalidInput or Quarantined."""
    content = archive.document(bundle.ENVELOPE)
    verified = _verified(content, trust)
    root, referrers, tag = bundle.listed(archive.document(bundle.INDEX))
    parts = _parts(archive, Parts(content, verified, tag, referrers=referrers), root)
    layout = bundle.layout(parts)
    _require_exact(archive, layout)
    for one, size in layout.blobs.items():
        member = archive.members[bundle.blob_name(one)]
        if member.size != size or archive.digest(member.start, size) != one:
            raise _changed(archive, f"blob {one}")
    if parts.image:
        keys = trust.registry_from(verified.log_index)
        signed, plain = _said(archive, parts)
        bundle.require_attested(digests.of(parts.image), signed, plain, keys)
    return Checked(archive, parts, layout, _files(archive, layout, verified))


def _verified(content: bytes, trust: TrustRoot) -> Verified:
    what = "pull envelope"
    said = canonical.decode_object(content, what=what)
    wanted = Wanted(
        fields.text(said, "model", what=what),
        fields.integer(said, "version", what=what),
        digests.parse(said.get("digest")),
    )
    if canonical.encode(said) != content:
        raise errors.IntegrityError(f"the {what} is not as the registry writes it")
    match envelopes.verify(content, trust, wanted):
        case Verified() as verified:
            return verified
        case Refused(errors.Quarantined.code, reason):
            raise errors.Quarantined(f"{wanted.model}@{wanted.version} is {reason}")
        case Refused(code, reason):
            raise errors.IntegrityError(
                f"{wanted.model}@{wanted.version} is refused ({code}): {reason}",
                fix="do not use the bundle; compare your trust root with its registry's",
            )


def _parts(archive: Archive, begun: Parts, root: str) -> Parts:
    """With all manifests that it lists, each by its digest."""
    own = begun.verified.wanted.digest
    found = b"" if root == own else _by_digest(archive, root)
    wanted = bundle.children(found) if found else (own,)
    manifests = {one: _by_digest(archive, one) for one in (*wanted, *begun.referrers)}
    return Parts(begun.envelope, begun.verified, begun.tag, found, manifests, begun.referrers)


def _by_digest(archive: Archive, wanted: str) -> bytes:
    content = archive.document(bundle.blob_name(wanted))
    if digests.of(content) != wanted:
        raise _changed(archive, f"manifest {wanted}")
    return content


def _require_exact(archive: Archive, layout: Layout) -> None:
    if list(archive.members) != layout.names():
        odd = sorted(set(archive.members) ^ set(layout.names()))
        raise _changed(archive, f"what it lists ({', '.join(odd[:3])})")
    for name, content in layout.documents.items():
        if archive.document(name) != content:
            raise _changed(archive, name)


def _said(archive: Archive, parts: Parts) -> tuple[list[bytes], list[bytes]]:
    """Statements about the image, and bills of materials as they are."""
    found: dict[str, list[bytes]] = {BUNDLE_TYPE: [], bom.MEDIA_TYPE: []}
    for one in parts.referrers:
        said = oci.parse(parts.manifests[one], oci.IMAGE)
        if said.subject != digests.of(parts.image) or said.artifact_type not in found:
            raise _changed(archive, f"referrer {one}")
        carried = _by_digest(archive, said.blobs[-1].digest)
        found[said.artifact_type].append(carried)
    return found[BUNDLE_TYPE], found[bom.MEDIA_TYPE]


def _files(archive: Archive, layout: Layout, verified: Verified) -> dict[str, Member]:
    """Where the files lie; those in an image's layer are compared with what was signed."""
    if layout.model is None:
        members = archive.members
        return {one.path: members[bundle.blob_name(one.digest)] for one in verified.files}
    start = archive.members[bundle.blob_name(layout.model.digest)].start
    segments = layer.of_files(verified.files, image.FILES)
    if layer.size(segments) != layout.model.size:
        raise _changed(archive, "the layer with the model")
    return dict(_located(archive, segments, start))


def _located(
    archive: Archive, segments: tuple[layer.Segment, ...], start: int
) -> Iterator[tuple[str, Member]]:
    for segment in segments:
        if isinstance(segment, File):
            if archive.digest(start, segment.size) != segment.digest:
                raise _changed(archive, f"file {segment.path!r}")
            yield segment.path, Member(start, segment.size)
            start += segment.size
        elif b"".join(archive.blocks(start, len(segment))) == segment:
            start += len(segment)
        else:
            raise _changed(archive, "the layer with the model")


def origin(checked: Checked) -> dict[str, str]:
    """What the version's config says of where it is from, as publishing asks for it."""
    own = manifest.parse(checked.parts.manifests[checked.verified.wanted.digest])
    document = canonical.decode_object(
        checked.archive.document(bundle.blob_name(own.config)), what="config"
    )
    said = fields.mapping(document, "descriptor", what="config")
    found = {
        "licence": checked.verified.licence,
        "commit": str(said.get("revision") or ""),
        "repository": str(said.get("sourceURL") or ""),
    }
    return {name: value for name, value in found.items() if value}


def _changed(archive: Archive, what: str) -> errors.IntegrityError:
    return errors.IntegrityError(
        f"{archive.path}: {what} is not what was exported",
        fix="bring the file again from where it was exported",
    )
