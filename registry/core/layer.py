"""One layer of an image as an uncompressed tar, described by what it is put together of. Pure.

The tar's headers are a function of paths and sizes alone (owner root, no times, one mode), and
a file's bytes in it are the blob's own: so a layer can be hashed, and sent in whole or in part,
out of the blobs that are stored already. Nothing of it is kept but its digest.
"""

import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from registry.core.oms import File

MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar"
_BLOCK = tarfile.BLOCKSIZE
# POSIX 1003.1: two blocks of zeros end an archive.
END = bytes(2 * _BLOCK)

# Bytes of the tar itself, or a stored blob in its place.
Segment: TypeAlias = bytes | File


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes from `start` up to `stop` of one segment."""

    segment: Segment
    start: int
    stop: int


def of_files(files: Iterable[File], folder: str) -> tuple[Segment, ...]:
    """The tar of `files` below `folder`, sorted by path, each folder before what is in it."""
    listed = sorted(files, key=lambda file: file.path)
    segments: list[Segment] = []
    head = b"".join(entry(one, 0, is_folder=True) for one in _folders(listed, folder))
    for file in listed:
        segments += [head + entry(f"{folder}/{file.path}", file.size), file]
        head = bytes(-file.size % _BLOCK)
    return (*segments, head + END)


def of_documents(documents: dict[str, bytes]) -> bytes:
    """The tar of small documents by their full paths, in the order of these."""
    parts = [
        entry(path, len(content)) + content + bytes(-len(content) % _BLOCK)
        for path, content in sorted(documents.items())
    ]
    return b"".join(parts) + END


def size(segments: Iterable[Segment]) -> int:
    """How many bytes the tar has."""
    return sum(map(_length, segments))


def cuts(segments: Sequence[Segment], start: int, stop: int) -> list[Cut]:
    """What to send, in order, for the bytes from `start` up to `stop`."""
    found, position = [], 0
    for segment in segments:
        end = position + _length(segment)
        if start < end and stop > position:
            first, last = max(start - position, 0), min(stop, end) - position
            if last > first:
                found.append(Cut(segment, first, last))
        position = end
    return found


def _length(segment: Segment) -> int:
    return len(segment) if isinstance(segment, bytes) else segment.size


def _folders(files: Sequence[File], top: str) -> list[str]:
    below = {
        f"{top}/{'/'.join(parts[:depth])}"
        for parts in (file.path.split("/") for file in files)
        for depth in range(1, len(parts))
    }
    return [top, *sorted(below)]


def entry(path: str, size: int, *, is_folder: bool = False) -> bytes:
    """The header of one entry, as POSIX.1-2001 (pax) writes it: long paths and sizes too."""
    info = tarfile.TarInfo(f"{path}/" if is_folder else path)
    info.type = tarfile.DIRTYPE if is_folder else tarfile.REGTYPE
    info.mode = 0o755 if is_folder else 0o644
    info.size = size
    info.uname = info.gname = ""
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
