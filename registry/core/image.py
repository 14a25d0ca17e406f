"""A runnable image of a version: a runtime's image, and on top the version and its proofs. Pure.

Composed by writing two documents: nothing of the base is unpacked, built or run. The same base,
layers and words give the same bytes, and so the same digest. OCI image specification 1.1.
"""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from registry.core import canonical, digest, fields, layer, manifest, oci
from registry.core.canonical import Json
from registry.core.oci import Descriptor
from registry.errors import InvalidInput, Unsupported

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
# Where a runtime finds the version, its proofs, and what it is to do with them.
FOLDER = "opt/plimsoll/image"
FILES = f"{FOLDER}/files"
SETTINGS = "runtime.json"
ENVELOPE, TRUST = "envelope.json", "trust.json"
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
_TITLE = "org.opencontainers.image.title"
VERSION = "org.opencontainers.image.version"
# What BuildKit says of entries that no machine is to run.
_NOT_RUN: dict[str, Json] = {"architecture": "unknown", "os": "unknown"}
# Docker's own names for the same bytes.
_LAYER_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{layer.MEDIA_TYPE}+gzip",
    "application/vnd.docker.image.rootfs.diff.tar": layer.MEDIA_TYPE,
}
_BASE = "base image"
_LEFT_OUT = ("container", "container_config", "id", "parent")


@dataclass(frozen=True, slots=True)
class Base:
    """A runtime's image: its repository, and its manifest and config as they were pushed."""

    repository: str
    manifest: bytes
    config: bytes

    @property
    def digest(self) -> str:
        """The manifest's."""
        return digest.of(self.manifest)


@dataclass(frozen=True, slots=True)
class Said:
    """Which version it is, and when that was published (RFC 3339): an image has no other time."""

    model: str
    version: int
    variant: str
    digest: str
    format: str
    published_at: str


@dataclass(frozen=True, slots=True)
class Image:
    """What was composed; `platform` as an index names it, `added` the layers above the base."""

    manifest: bytes
    config: bytes
    platform: dict[str, Json]
    added: tuple[Descriptor, ...]

    @property
    def digest(self) -> str:
        """The image's."""
        return digest.of(self.manifest)


def config_of(base: bytes) -> Descriptor:
    """The config that a base image's manifest names; raises InvalidInput for what is no image."""
    document = canonical.decode_object(base, what=_BASE)
    return _descriptor(fields.mapping(document, "config", what=_BASE))


def compose(base: Base, added: Sequence[tuple[str, Descriptor]], said: Said) -> Image:
    """The image of `base` with layers on top, each with a word on what it holds.

    Raises InvalidInput, and Unsupported where the base is not one that serves.
    """
    found = canonical.decode_object(base.manifest, what=_BASE)
    below = [_layer(item) for item in fields.objects(found, "layers", what=_BASE)]
    config, platform = _config(base, added, said, layers=len(below))
    labels = _labels(base, said)
    document: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": oci.IMAGE,
        "config": _described(Descriptor(CONFIG_TYPE, digest.of(config), len(config))),
        "layers": [*below, *(_described(one) for _, one in added)],
        "annotations": {**labels},
    }
    layers = tuple(one for _, one in added)
    return Image(canonical.encode(document), config, platform, layers)


def index(images: Sequence[Image], artifact: bytes, said: Said) -> bytes:
    """What the version's tag stands for: an image for each platform, and the version itself."""
    runnable: list[Json] = [
        _described(Descriptor(oci.IMAGE, one.digest, len(one.manifest)))
        | {"platform": one.platform}
        for one in images
    ]
    version = _described(Descriptor(oci.IMAGE, digest.of(artifact), len(artifact)))
    itself: dict[str, Json] = {
        **version,
        "artifactType": manifest.ARTIFACT_TYPE,
        "platform": _NOT_RUN,
    }
    return canonical.encode(
        {
            "schemaVersion": 2,
            "mediaType": oci.INDEX,
            "manifests": [*runnable, itself],
            "annotations": {_TITLE: said.model, VERSION: _number(said)},
        }
    )


def settings(said: Said) -> bytes:
    """What the runtime in the image is told: this version, from its own folder, no registry."""
    return canonical.encode(
        {
            "listen": "0.0.0.0:8501",
            "cache": "/var/lib/plimsoll/cache",
            "image": f"/{FOLDER}",
            "trustFile": f"/{FOLDER}/{TRUST}",
            "host": "image",
            "models": [
                {
                    "model": said.model,
                    "version": said.version,
                    "digest": said.digest,
                    "format": said.format,
                    "active": True,
                }
            ],
        }
    )


def _config(
    base: Base, added: Sequence[tuple[str, Descriptor]], said: Said, *, layers: int
) -> tuple[bytes, dict[str, Json]]:
    document = canonical.decode_object(base.config, what=f"{_BASE}'s config")
    root = fields.mapping(document, "rootfs", what=_BASE)
    below = fields.sequence(root, "diff_ids", what=_BASE)
    if len(below) != layers:
        raise InvalidInput(f"{_BASE} has {layers} layers, its config names {len(below)}")
    run = fields.mapping(document, "config", what=_BASE)
    if not run.get("Entrypoint"):
        raise Unsupported(
            f"{base.digest} has no entrypoint, so it serves nothing",
            fix="push a runtime's image and name that: docs/packaging.md",
        )
    labels = run.get("Labels")
    told = {**labels} if isinstance(labels, dict) else {}
    history = document.get("history")
    steps = [*history] if isinstance(history, list) else []
    steps += [{"created": said.published_at, "created_by": word} for word, _ in added]
    kept = {name: value for name, value in document.items() if name not in _LEFT_OUT}
    made: dict[str, Json] = {
        **kept,
        "created": said.published_at,
        "config": {
            **run,
            "Cmd": ["--config", posixpath.join("/", FOLDER, SETTINGS)],
            "Labels": {**told, **_labels(base, said)},
        },
        "rootfs": {"type": "layers", "diff_ids": [*below, *(one.digest for _, one in added)]},
        "history": steps,
    }
    names = ("architecture", "os", "variant", "os.version")
    platform = {name: document[name] for name in names if document.get(name)}
    return canonical.encode(made), platform


def _labels(base: Base, said: Said) -> dict[str, Json]:
    return {
        _TITLE: said.model,
        VERSION: _number(said),
        BASE_NAME: base.repository,
        BASE_DIGEST: base.digest,
        "dev.plimsoll.version.digest": said.digest,
    }


def _number(said: Said) -> str:
    return f"{said.version}-{said.variant}" if said.variant else f"{said.version}"


def _layer(item: dict[str, Json]) -> dict[str, Json]:
    found = _descriptor(item)
    kind = _LAYER_TYPES.get(found.media_type, found.media_type)
    if not kind.startswith(layer.MEDIA_TYPE):
        raise Unsupported(
            f"{_BASE} has a layer of type {kind[:120]}", fix="push the image with layers of its own"
        )
    return _described(Descriptor(kind, found.digest, found.size))


def _descriptor(item: dict[str, Json]) -> Descriptor:
    return Descriptor(
        fields.text(item, "mediaType", what=_BASE),
        digest.parse(item.get("digest")),
        fields.integer(item, "size", what=_BASE),
    )


def _described(found: Descriptor) -> dict[str, Json]:
    return {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
