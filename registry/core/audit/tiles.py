"""C2SP tlog-tiles: how a tile's number is written as a path, and how entries lie in a bundle."""

from collections.abc import Iterable

from registry.errors import InvalidInput

WIDTH = 256


def place(number: int, width: int) -> str:
    """`x001/x234/067` for tile 1234067, with `.p/W` behind it where the tile is partial."""
    digits = f"{number:03d}"
    digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "".join(f"x{group}/" for group in groups[:-1]) + groups[-1]
    return path if width == WIDTH else f"{path}.p/{width}"


def join(leaves: Iterable[bytes]) -> bytes:
    """An entry bundle: each leaf behind its length in 16 bits."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def split(content: bytes) -> list[bytes]:
    """The leaves of an entry bundle; raises `InvalidInput` where it is cut off."""
    leaves, at = list[bytes](), 0
    while at < len(content):
        end = at + 2 + int.from_bytes(content[at : at + 2], "big")
        if end > len(content) or at + 2 > len(content):
            raise InvalidInput(f"it is cut off in entry {len(leaves)}")
        leaves.append(content[at + 2 : end])
        at = end
    return leaves
