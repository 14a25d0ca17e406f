"""The audit bundle's container: a tar (POSIX ustar) with exactly one form for any content.

Other tools read it as any tar. A reader here accepts only what the writer writes, bit for bit:
plain files, fixed owner, mode and time, zero padding, two zero blocks and the end. So there is
no place where a byte could be changed, added or hidden without being noticed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from registry.errors import BundleInvalid

BLOCK = 512
END = bytes(2 * BLOCK)
# More than any tile can have (256 leaves of 65,535 bytes and their lengths).
LARGEST = 32 * 1024**2
_NAME_LIMIT = 100
_FORBIDDEN = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
    b"L": "a long name",
    b"K": "a long link",
    b"S": "a sparse file",
    b"x": "an extended header",
    b"g": "an extended header",
}
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd", b"BZ": "bzip2", b"\xfd7": "xz"}
_FIX = "ask for the bundle again; a bundle is read as it was written, uncompressed"

Read = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the bundle."""

    name: str
    content: bytes


def pack(member: Member) -> bytes:
    """The member as it stands in the archive: header, content, padding."""
    size = len(member.content)
    return header(member.name, size) + member.content + bytes(-size % BLOCK)


def header(name: str, size: int) -> bytes:
    """The one header (POSIX.1-1988 ustar) of a file of this name and size."""
    encoded = name.encode("ascii", "replace")
    if not 0 < len(encoded) <= _NAME_LIMIT:
        raise BundleInvalid(f"{name[:120]!r} is too long a name for a member of a bundle")
    block = bytearray(BLOCK)
    block[0 : len(encoded)] = encoded
    block[100:108] = b"0000644\0"
    block[108:116] = block[116:124] = block[329:337] = block[337:345] = b"0000000\0"
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[148:156] = b"        "
    block[156:157] = b"0"
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def members(read: Read) -> Iterator[Member]:
    """The members in order, one in memory at a time; raises BundleInvalid at the first flaw."""
    before = "the beginning"
    while True:
        block = _exactly(read, BLOCK, after=before)
        if block == bytes(BLOCK):
            _require_end(read, after=before)
            return
        name, size = _parsed(block, after=before)
        content = _exactly(read, size, after=name)
        if any(_exactly(read, -size % BLOCK, after=name)):
            raise BundleInvalid(f"{name}: bytes are hidden behind the file", fix=_FIX)
        yield Member(name, content)
        before = name


def _parsed(block: bytes, *, after: str) -> tuple[str, int]:
    for magic, kind in _COMPRESSED.items():
        if after == "the beginning" and block.startswith(magic):
            raise BundleInvalid(f"the bundle is compressed with {kind}", fix="uncompress it first")
    name = block[:_NAME_LIMIT].split(b"\0", 1)[0].decode("ascii", "replace")
    if block[156:157] in _FORBIDDEN:
        kind = _FORBIDDEN[block[156:157]]
        raise BundleInvalid(f"{name!r} is {kind}: a bundle has plain files only", fix=_FIX)
    if name.startswith("/") or ".." in name.split("/"):
        raise BundleInvalid(f"{name!r} leads out of the bundle", fix=_FIX)
    size = _size(block[124:136])
    if size is None or header(name, size) != block:
        raise BundleInvalid(f"the header after {after} is not of a bundle's form", fix=_FIX)
    if size > LARGEST:
        raise BundleInvalid(f"{name}: {size} bytes, at most {LARGEST} may be in one file", fix=_FIX)
    return name, size


def _size(field: bytes) -> int | None:
    digits = field[:11]
    return int(digits, 8) if all(48 <= digit < 56 for digit in digits) else None


def _exactly(read: Read, count: int, *, after: str) -> bytes:
    data = read(count) if count else b""
    if len(data) != count:
        raise BundleInvalid(f"the bundle is cut off after {after}", fix=_FIX)
    return data


def _require_end(read: Read, *, after: str) -> None:
    if read(BLOCK) != bytes(BLOCK):
        raise BundleInvalid(f"the bundle is cut off after {after}", fix=_FIX)
    if read(1):
        raise BundleInvalid("something follows the end of the bundle", fix=_FIX)
