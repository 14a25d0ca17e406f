"""The identity of a version: its OCI image manifest in the CNCF ModelPack format.

A version's digest is the sha256 of these bytes. The config blob, small and derived, is written
beside them so that OCI clients can pull the artifact; `build` gives both.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from registry.core import canonical, digest, fields, names
from registry.core.canonical import Json
from registry.core.oms import File
from registry.errors import InvalidInput

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
WEIGHT_TYPE = "application/vnd.cncf.model.weight.v1.raw"
FILE_PATH = "org.cncf.model.filepath"
# By this one general OCI clients name a file; without it they skip it, or name it by its digest.
TITLE = "org.opencontainers.image.title"
_WHAT = "manifest"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says. `config` is the digest of its config blob."""

    config: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """The manifest's bytes and its config blob's bytes."""

    manifest: bytes
    config: bytes

    @property
    def digest(self) -> str:
        """The version's digest."""
        return digest.of(self.manifest)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version comes from, as far as its descriptor tells; empty is left out.

    No names of persons: what is part of the digest can never be erased.
    """

    licence: str = ""
    commit: str = ""
    repository: str = ""


UNKNOWN = Origin()


def build(
    *,
    model: str,
    version: int,
    format: str,  # noqa: A002
    files: Iterable[File],
    origin: Origin = UNKNOWN,
) -> Built:
    """Manifest and config of a version; the same arguments always give the same bytes."""
    listed = sorted(files, key=lambda file: file.path)
    names.file_paths([file.path for file in listed])
    config = canonical.encode(
        {
            "descriptor": {"name": model, "version": str(version), **_descriptor(origin)},
            "config": {"format": format},
            "modelfs": {"type": "layers", "diffIds": [file.digest for file in listed]},
        }
    )
    manifest = canonical.encode(
        {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE,
            "artifactType": ARTIFACT_TYPE,
            "config": {
                "mediaType": CONFIG_TYPE,
                "digest": digest.of(config),
                "size": len(config),
            },
            "layers": [
                {
                    "mediaType": WEIGHT_TYPE,
                    "digest": file.digest,
                    "size": file.size,
                    "annotations": {FILE_PATH: file.path, TITLE: file.path},
                }
                for file in listed
            ],
        }
    )
    return Built(manifest, config)


def _descriptor(origin: Origin) -> dict[str, Json]:
    said: dict[str, Json] = {
        "licenses": [origin.licence] if origin.licence else [],
        "revision": origin.commit,
        "sourceURL": origin.repository,
    }
    return {name: value for name, value in said.items() if value}


def parse(data: bytes) -> Manifest:
    """Read a manifest; raises `InvalidInput` for anything a host could not lay out as files."""
    document = canonical.decode_object(data, what=_WHAT)
    if document.get("mediaType") != MEDIA_TYPE or document.get("artifactType") != ARTIFACT_TYPE:
        raise InvalidInput(f"{_WHAT} is not a ModelPack manifest")
    config = fields.mapping(document, "config", what=_WHAT)
    files = tuple(_file(layer) for layer in fields.objects(document, "layers", what=_WHAT))
    names.file_paths([file.path for file in files])
    if not files:
        raise InvalidInput(f"{_WHAT} lists no file")
    return Manifest(digest.parse(config.get("digest")), files)


def licence(config: bytes) -> str:
    """The licence that a version's config names, several joined by AND; empty without any."""
    document = canonical.decode_object(config, what="config")
    descriptor = fields.mapping(document, "descriptor", what="config")
    if "licenses" not in descriptor:
        return ""
    listed = fields.sequence(descriptor, "licenses", what="config")
    return " AND ".join(str(one) for one in listed)


def _file(layer: dict[str, Json]) -> File:
    annotations = fields.mapping(layer, "annotations", what=_WHAT)
    size = fields.integer(layer, "size", what=_WHAT)
    if size < 0:
        raise InvalidInput(f"{_WHAT} has a file of {size} bytes")
    path = names.file_path(fields.text(annotations, FILE_PATH, what=_WHAT))
    return File(path, digest.parse(layer.get("digest")), size)
