"""Layers of composed images: kept nowhere, put together of the files that are stored."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from registry import errors
from registry.core import image, layer
from registry.core.identity import Caller, Role
from registry.core.layer import Segment
from registry.core.oms import File
from registry.db import images as rows
from registry.db.engine import Session
from registry.usecases import fingerprinted
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of `size` bytes: headers of a tar, and stored files in their places."""

    digest: str
    size: int
    segments: tuple[Segment, ...]


def layer_of(session: Session, repository: str, digest: str) -> Layer | None:
    """The layer with the files of a ready version of this model, where it is one."""
    found = rows.files_of_layer(session, repository, digest)
    if not found:
        return None
    files = (File(one.path, one.digest, one.size) for one in found)
    segments = layer.of_files(files, image.FILES)
    return Layer(digest, layer.size(segments), segments)


async def read(registry: Registry, found: Layer, start: int, stop: int) -> AsyncIterator[bytes]:
    """Its bytes from `start` up to `stop`, in blocks of some MiB at most."""
    for cut in layer.cuts(found.segments, start, stop):
        if isinstance(cut.segment, bytes):
            yield cut.segment[cut.start : cut.stop]
            continue
        async for block in registry.blobs.read(cut.segment.digest, cut.start, cut.stop):
            yield block


def require_given(registry: Registry, found: Layer, by: Caller) -> None:
    """Raise Forbidden for a host that gets its files encrypted, or in a copy of its own."""
    if by.role is not Role.HOST:
        return
    files = [one for one in found.segments if isinstance(one, File)]
    if registry.settings.encryption.require_delivery or any(
        fingerprinted.own(registry, by, one.digest) is not None for one in files
    ):
        raise errors.Forbidden(
            f"host {by.name} gets these files for itself alone, and an image is for everybody",
            fix="have the runtime pull the version: plimsoll pull, or a deployment in Git",
        )
