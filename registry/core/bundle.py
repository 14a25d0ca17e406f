"""An offline bundle: a version, its image and all that proves them, as one OCI image layout. Pure.

Every byte of the archive follows from what is proven: documents are made again and compared,
blobs have their digests, headers and gaps the one form that `layer` writes. So nothing in it
can be changed, added or left out unseen. OCI image layout 1.1; docker's own list stands beside.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from registry.core import (
    attestation,
    bom,
    canonical,
    digest,
    dsse,
    fields,
    image,
    layer,
    manifest,
    oci,
)
from registry.core.canonical import Json
from registry.core.envelope import Verified
from registry.core.oci import Descriptor
from registry.errors import IntegrityError, InvalidInput

ENVELOPE, INDEX, LOADED, MARK = "envelope.json", "index.json", "manifest.json", "oci-layout"
BLOBS = "blobs/sha256"
_REFERENCE = "org.opencontainers.image.ref.name"
_CONTAINERD = "io.containerd.image.name"
# So that the proofs, too, are what the index names, to the byte.
_PROOFS = "dev.plimsoll.envelope"
_WHAT = "bundle"


@dataclass(frozen=True, slots=True)
class Parts:
    """What goes into one. `image` is an image index, or empty where the version is not packaged;
    `manifests` has all others by digest, `referrers` those that are about the image.
    """

    envelope: bytes
    verified: Verified
    tag: str
    image: bytes = b""
    manifests: Mapping[str, bytes] = field(default_factory=dict)
    referrers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """What the archive must hold: small documents by name, blobs with their sizes.

    `model` is the layer with the version's files; None where these are blobs of their own.
    """

    documents: dict[str, bytes]
    blobs: dict[str, int]
    model: Descriptor | None

    def names(self) -> list[str]:
        """All members, in the one order that counts."""
        return sorted([*self.documents, *(blob_name(one) for one in self.blobs)])


def blob_name(of: str) -> str:
    """The member that holds the blob."""
    return f"{BLOBS}/{of.removeprefix('sha256:')}"


def layout(parts: Parts) -> Layout:
    """The archive of `parts`; raises InvalidInput where these do not fit each other."""
    own = parts.verified.wanted.digest
    _require_tag(parts)
    blobs = {own: len(_manifest(parts, own))}
    runs = _runnable(parts)
    said = oci.parse(_manifest(parts, own), oci.IMAGE)
    files = {file.digest for file in parts.verified.files}
    # Where there is an image, the files are in its layer: no byte is here twice.
    blobs |= {
        found.digest: found.size for found in said.blobs if not (runs and found.digest in files)
    }
    for one in (*runs, *parts.referrers):
        content = _manifest(parts, one)
        blobs[one] = len(content)
        blobs |= {found.digest: found.size for found in oci.parse(content, oci.IMAGE).blobs}
    if parts.image:
        blobs[digest.of(parts.image)] = len(parts.image)
    documents = {
        ENVELOPE: parts.envelope,
        INDEX: _index(parts),
        MARK: canonical.encode({"imageLayoutVersion": "1.0.0"}),
    }
    if runs:
        documents[LOADED] = _loaded(parts, runs)
    return Layout(documents, blobs, _model(parts, runs))


def listed(index: bytes) -> tuple[str, tuple[str, ...], str]:
    """(root, referrers, tag) as an index.json claims them."""
    document = canonical.decode_object(index, what=INDEX)
    items = fields.objects(document, "manifests", what=INDEX)
    if not items:
        raise InvalidInput(f"{INDEX} lists nothing")
    root, *others = (digest.parse(item.get("digest")) for item in items)
    names = fields.mapping(items[0], "annotations", what=INDEX)
    return root, tuple(others), fields.text(names, _REFERENCE, what=INDEX)


def children(index: bytes) -> tuple[str, ...]:
    """The manifests that an image index lists."""
    return tuple(one.digest for one in oci.parse(index, oci.INDEX).manifests)


def require_attested(
    index: str, bundles: Iterable[bytes], documents: Sequence[bytes], keys: Sequence[dsse.Signer]
) -> None:
    """Raise unless the registry signed the image, and all that is said of it.

    `documents` are bills of materials as they are: they must be what one of `bundles` signs.
    """
    predicates: dict[str, Json] = {}
    for content in bundles:
        kind, predicate = attested(index, content, keys)
        predicates[kind] = predicate
    if attestation.SIGNATURE_TYPE not in predicates:
        raise IntegrityError(f"nobody signed the image {index}", fix="export it again")
    for document in documents:
        if canonical.decode_object(document, what="bill") != predicates.get(bom.PREDICATE_TYPE):
            raise IntegrityError("the bill of materials is not the one that was signed")


def attested(index: str, content: bytes, keys: Sequence[dsse.Signer]) -> tuple[str, Json]:
    """(predicate type, predicate) of a statement by the registry about the image."""
    signed = dsse.verify(canonical.decode_object(content, what=_WHAT), keys)
    statement = canonical.decode_object(signed.payload, what=_WHAT)
    hexes = [
        fields.mapping(one, "digest", what=_WHAT).get("sha256")
        for one in fields.objects(statement, "subject", what=_WHAT)
    ]
    if index.removeprefix("sha256:") not in hexes:
        raise IntegrityError(f"a statement in the {_WHAT} is about something else than {index}")
    return fields.text(statement, "predicateType", what=_WHAT), statement.get("predicate")


def _require_tag(parts: Parts) -> None:
    said = oci.version_of(parts.tag)
    if parts.image:
        annotations = oci.parse(parts.image, oci.INDEX).annotations
        said = said if annotations.get(image.VERSION) == parts.tag else None
    if said is None or said[0] != parts.verified.wanted.version:
        raise IntegrityError(f"the {_WHAT} calls its version {parts.tag[:80]!r}")


def _runnable(parts: Parts) -> tuple[str, ...]:
    if not parts.image:
        return ()
    found = children(parts.image)
    own = parts.verified.wanted.digest
    if found[-1:] != (own,) or len(found) < 2:
        raise IntegrityError(f"the image in the {_WHAT} is not one of {own}")
    return found[:-1]


def _model(parts: Parts, runs: Sequence[str]) -> Descriptor | None:
    """The same for every platform: the last but one of each image's layers."""
    if not runs:
        return None
    found = {oci.parse(_manifest(parts, one), oci.IMAGE).blobs[-2] for one in runs}
    if len(found) != 1:
        raise IntegrityError(f"the images in the {_WHAT} hold different models")
    [model] = found
    if model.media_type != layer.MEDIA_TYPE:
        raise IntegrityError(f"the model in the {_WHAT} is of type {model.media_type[:120]}")
    return model


def _index(parts: Parts) -> bytes:
    model = parts.verified.wanted.model
    root: dict[str, Json]
    if parts.image:
        root = {"mediaType": oci.INDEX, "digest": digest.of(parts.image), "size": len(parts.image)}
    else:
        own = parts.verified.wanted.digest
        size = len(_manifest(parts, own))
        root = {"mediaType": oci.IMAGE, "digest": own, "size": size}
        root["artifactType"] = manifest.ARTIFACT_TYPE
    root["annotations"] = {_REFERENCE: parts.tag, _CONTAINERD: f"{model}:{parts.tag}"}
    others: list[Json] = [
        {"mediaType": oci.IMAGE, "digest": one, "size": len(_manifest(parts, one))}
        for one in sorted(parts.referrers)
    ]
    return canonical.encode(
        {
            "schemaVersion": 2,
            "mediaType": oci.INDEX,
            "manifests": [root, *others],
            "annotations": {_PROOFS: digest.of(parts.envelope)},
        }
    )


def _loaded(parts: Parts, runs: Sequence[str]) -> bytes:
    """As `docker load` reads it; the first platform gets the name."""
    said = []
    for place, one in enumerate(runs):
        config, *layers = oci.parse(_manifest(parts, one), oci.IMAGE).blobs
        said.append(
            {
                "Config": blob_name(config.digest),
                "RepoTags": [] if place else [f"{parts.verified.wanted.model}:{parts.tag}"],
                "Layers": [blob_name(found.digest) for found in layers],
            }
        )
    return canonical.encode(said)


def _manifest(parts: Parts, wanted: str) -> bytes:
    found = parts.manifests.get(wanted)
    if found is None:
        raise InvalidInput(f"the {_WHAT} lacks the manifest {wanted}", fix="export it again")
    return found
