"""The one form of archive that bundles have, read without believing it: member by member.

A tar as `registry.core.layer` writes it: plain files, in the order of their names, each header
the only one that its name and size can have, gaps of zeros, and nothing behind the end.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from registry.core import layer
from registry.errors import IntegrityError

_BLOCK = 512
_READ = 1024 * 1024
_MOST = 200_000
_SMALL = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Member:
    """Where a file's bytes are in the archive."""

    start: int
    size: int


class Archive:
    """An open one; raises IntegrityError for any other form. Used with `with`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = path.open("rb")
        try:
            self.members = dict(self._walk())
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def blocks(self, start: int, size: int) -> Iterator[bytes]:
        """Bytes of the archive."""
        self._file.seek(start)
        while size:
            block = self._file.read(min(size, _READ))
            if not block:
                raise self._wrong("it ends too early")
            size -= len(block)
            yield block

    def document(self, name: str) -> bytes:
        """A small member, whole."""
        member = self.members.get(name)
        if member is None or member.size > _SMALL:
            raise self._wrong(f"there is no {name} in it, or it is too large")
        return b"".join(self.blocks(member.start, member.size))

    def digest(self, start: int, size: int) -> str:
        """Of some of its bytes."""
        hasher = hashlib.sha256()
        for block in self.blocks(start, size):
            hasher.update(block)
        return f"sha256:{hasher.hexdigest()}"

    def _walk(self) -> Iterator[tuple[str, Member]]:
        position, last = 0, ""
        while True:
            found = self._header(position)
            if found is None:
                return
            name, size, head = found
            if head != layer.entry(name, size) or name <= last:
                raise self._wrong(f"the entry at byte {position} is not as we write it")
            start, gap = position + len(head), -size % _BLOCK
            if any(self._at(start + size, gap)):
                raise self._wrong(f"there is something behind {name}")
            yield name, Member(start, size)
            position, last = start + size + gap, name

    def _header(self, position: int) -> tuple[str, int, bytes] | None:
        """The next entry's name, size and header; None where the archive ends, and as it must."""
        head = self._at(position, _BLOCK)
        if not any(head):
            rest = self._at(position, len(layer.END) + 1)
            if rest != layer.END:
                raise self._wrong("it does not end as it must")
            return None
        try:
            size = int(head[124:136].rstrip(b"\0 ") or b"0", 8)
            if head[156:157] == b"x":  # a size that the plain header has no room for
                head = self._at(position, _BLOCK + size + -size % _BLOCK + _BLOCK)
                records = head[_BLOCK : _BLOCK + size].decode("ascii").split("\n")
                said = dict(one.partition(" ")[2].split("=", 1) for one in records if one)
                size = int(said["size"])
            return head[-_BLOCK:][:100].rstrip(b"\0").decode("ascii"), size, head
        except (ValueError, KeyError, UnicodeDecodeError) as error:
            raise self._wrong(f"the header at byte {position} cannot be read") from error

    def _at(self, position: int, size: int) -> bytes:
        if size > _MOST:
            raise self._wrong(f"the header at byte {position} is too long")
        self._file.seek(position)
        return self._file.read(size)

    def _wrong(self, why: str) -> IntegrityError:
        return IntegrityError(
            f"{self.path} is not a bundle as it was exported: {why}",
            fix="bring the file again from where it was exported",
        )
