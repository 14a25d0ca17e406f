"""OCI distribution: names, tags, and what a manifest refers to. Everything else in one is opaque.

Only what a registry must know is read; the bytes are kept and served as they came.
"""

import re
from dataclasses import dataclass, replace

from registry.core import canonical, digest, fields
from registry.core.canonical import Json
from registry.errors import InvalidDigest, InvalidInput, InvalidName

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST_LIMIT = 4 * 1024 * 1024

_IMAGES = frozenset({IMAGE, DOCKER_IMAGE})
_LISTS = frozenset({INDEX, DOCKER_LIST})
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_OF_VERSION = re.compile(r"([1-9][0-9]{0,18})(?:-(.+))?")
_RESERVED = re.compile(r"[0-9]+(?:-.*)?")
_MEDIA = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}", re.ASCII)
# Layers that nobody may hand on: they stay at the addresses that their descriptors name.
_FOREIGN = re.compile(r".*\.(?:nondistributable|foreign)\..*")
_MOST = 10_000
_WHAT = "manifest"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to content: its type, its digest, its size in bytes."""

    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says of itself (`subject` empty: it is about nothing) and refers to."""

    media_type: str
    artifact_type: str
    annotations: dict[str, str]
    subject: str
    blobs: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]

    def without(self, blob: str) -> "Manifest":
        """The same, but for one blob that it refers to."""
        return replace(self, blobs=tuple(one for one in self.blobs if one.digest != blob))


def repository(text: str) -> str:
    """`text` if it is a repository's name; raises InvalidName."""
    if not is_repository(text):
        raise InvalidName(
            f"repository name {text[:80]!r} is not allowed",
            fix="use lower-case words joined by one of '.', '_', '-', and '/' between parts, "
            "at most 255 characters",
        )
    return text


def is_repository(text: str) -> bool:
    """Whether `repository` takes it."""
    return len(text) <= 255 and _NAME.fullmatch(text) is not None


def tag(text: str) -> str:
    """`text` if it is a tag; raises InvalidName."""
    if not _TAG.fullmatch(text):
        raise InvalidName(
            f"tag {text[:80]!r} is not allowed",
            fix="use letters, digits, '_', '.' and '-', at most 128, not starting with '.' or '-'",
        )
    return text


def digest_of(text: str) -> str:
    """`text` if it is a sha256 digest; raises InvalidDigest."""
    try:
        return digest.parse(text)
    except InvalidInput as error:
        raise InvalidDigest(error.detail, fix=error.fix) from error


def is_digest(reference: str) -> bool:
    """Whether a reference is meant as a digest: no tag has a colon."""
    return ":" in reference


def is_media_type(text: str) -> bool:
    """Whether it has the form of one (RFC 6838)."""
    return _MEDIA.fullmatch(text) is not None


def platform(said: dict[str, Json]) -> str:
    """A platform of an index as people write it: linux/arm64, linux/arm/v7."""
    names = ("os", "architecture", "variant")
    return "/".join(str(said[name]) for name in names if said.get(name))


def version_of(text: str) -> tuple[int, str] | None:
    """The version and the variant (empty: the first) that a tag names in a model's repository."""
    form = _OF_VERSION.fullmatch(text)
    if form is None or int(form[1]) >= 2**63:
        return None
    return int(form[1]), form[2] or ""


def is_reserved(text: str) -> bool:
    """Whether a tag reads like a version's: in a model's repository only publishing makes it."""
    return _RESERVED.fullmatch(text) is not None


def parse(content: bytes, content_type: str) -> Manifest:
    """Read a manifest that was sent as `content_type`; raises InvalidInput."""
    document = canonical.decode_object(content, what=_WHAT)
    canonical.encode(document)  # refuses half characters, which no database keeps
    media_type = _media_type(document, content_type.partition(";")[0].strip())
    if document.get("schemaVersion") != 2:
        raise InvalidInput(f"{_WHAT} must have schemaVersion 2", fix="push one of today's formats")
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    artifact_type = _optional_type(document, "artifactType")
    if media_type in _IMAGES:
        config = _descriptor(fields.mapping(document, "config", what=_WHAT))
        blobs = (config, *_descriptors(document, "layers"))
        artifact_type = artifact_type or config.media_type
    else:
        manifests = _descriptors(document, "manifests")
    if len(blobs) + len(manifests) > _MOST:
        raise InvalidInput(f"{_WHAT} refers to more than {_MOST} others")
    return Manifest(
        media_type, artifact_type, _annotations(document), _subject(document), blobs, manifests
    )


def _media_type(document: dict[str, Json], sent_as: str) -> str:
    said = _optional_type(document, "mediaType")
    known = _IMAGES | _LISTS
    if said and sent_as in known and said != sent_as:
        raise InvalidInput(
            f"{_WHAT} says it is {said}, but was sent as {sent_as}",
            fix="send it with the Content-Type that it names as its mediaType",
        )
    found = said or sent_as
    if found not in known:
        raise InvalidInput(
            f"{_WHAT} is of the unknown type {found[:120]!r}",
            fix=f"send one of {', '.join(sorted(known))}",
        )
    return found


def _descriptors(document: dict[str, Json], name: str) -> tuple[Descriptor, ...]:
    # Programs in Go write null for an empty list.
    listed = document if document.get(name) is not None else {name: []}
    found = fields.objects(listed, name, what=_WHAT)
    return tuple(_descriptor(item) for item in found if not _is_foreign(item))


def _is_foreign(item: dict[str, Json]) -> bool:
    return bool(item.get("urls")) and _FOREIGN.fullmatch(str(item.get("mediaType"))) is not None


def _descriptor(item: dict[str, Json]) -> Descriptor:
    media_type = fields.text(item, "mediaType", what=_WHAT)
    if not is_media_type(media_type):
        raise InvalidInput(f"{_WHAT}: {media_type[:120]!r} is not a media type")
    size = fields.integer(item, "size", what=_WHAT)
    if size < 0:
        raise InvalidInput(f"{_WHAT} refers to something of {size} bytes")
    return Descriptor(media_type, digest.parse(item.get("digest")), size)


def _subject(document: dict[str, Json]) -> str:
    if document.get("subject") is None:
        return ""
    return _descriptor(fields.mapping(document, "subject", what=_WHAT)).digest


def _optional_type(document: dict[str, Json], name: str) -> str:
    found = document.get(name) or ""
    if not isinstance(found, str) or (found and not is_media_type(found)):
        raise InvalidInput(f"{_WHAT}: {name} {str(found)[:120]!r} is not a media type")
    return found


def _annotations(document: dict[str, Json]) -> dict[str, str]:
    if document.get("annotations") is None:
        return {}
    found = fields.mapping(document, "annotations", what=_WHAT)
    texts = {key: value for key, value in found.items() if isinstance(value, str)}
    if len(texts) != len(found):
        raise InvalidInput(f"{_WHAT}: every annotation must be a string")
    return texts
