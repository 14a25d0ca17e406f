"""What goes to and comes from containers, in the forms of Docker's API: tar archives, framed logs.
Pure."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from typing import Protocol

OWNER = 10001
_FRAME = 8


class SupportsRead(Protocol):
    """What can be read bit by bit."""

    def read(self, size: int, /) -> bytes: ...


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar of `files` that our user may read and nobody inside the container may write."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            archive.addfile(_entry(name, len(content)), io.BytesIO(content))
    return packed.getvalue()


def pack_swapped(name: str, content: bytes) -> bytes:
    """A tar whose unpacking replaces `name` whole, however it is watched.

    Unpacking a file writes it bit by bit, and gives it to its owner last. So the content goes
    to a file beside it, and `name` becomes another name of that. Its time is made of its
    content, so that who sees another time knows without reading that there is something new.
    """
    packed = io.BytesIO()
    beside = f"{name}.next"
    stamp = int.from_bytes(hashlib.sha256(content).digest()[:4], "big")
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(_entry(beside, len(content), stamp), io.BytesIO(content))
        link = _entry(name, 0, stamp)
        link.type, link.linkname = tarfile.LNKTYPE, beside
        archive.addfile(link)
    return packed.getvalue()


def first_file(chunks: Iterable[bytes]) -> bytes:
    """The content of the first plain file in a tar; empty when it holds none."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            if content is not None:
                return content.read()
    return b""


def unframed(stream: SupportsRead, limit: int) -> bytes:
    """What a container wrote, taken out of the frames of the engine's log; at most `limit` bytes.

    A frame is one byte of which output, three of nothing, four of its length.
    """
    found = b""
    while len(found) < limit and len(head := stream.read(_FRAME)) == _FRAME:
        found += stream.read(min(int.from_bytes(head[4:], "big"), limit - len(found)))
    return found


def _entry(name: str, size: int, stamp: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o440, stamp
    entry.uid, entry.gid = 0, OWNER
    return entry
