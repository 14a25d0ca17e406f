"""Git's objects as bytes: their ids, what a commit says, what a tree lists. Pure.

An object is believed because its bytes hash to the id it was asked by, so a damaged or swapped
object store is noticed whatever Git's own programs make of it. Nothing here follows grafts,
replacements or attributes: there is no such thing in an object.
"""

import hashlib
from dataclasses import dataclass

from registry.errors import CommitRefused

_HASHES = {40: "sha1", 64: "sha256"}
_SIGNATURES = frozenset({b"gpgsig", b"gpgsig-sha256"})


@dataclass(frozen=True, slots=True)
class Commit:
    """`author` and `committer` are e-mail addresses as the commit claims them.

    `signature` is the armored text, `payload` the bytes it must cover: the commit without it.
    """

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    committer: str
    signature: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class TreeItem:
    """One line of a tree; `mode` is as Git writes it, `40000` for a folder."""

    mode: str
    name: str
    id: str


def identity(kind: str, data: bytes, *, like: str) -> str:
    """The id of an object, by the hash that `like`, another id, was made with."""
    digest = hashlib.new(_HASHES.get(len(like), "sha256"), usedforsecurity=True)
    digest.update(f"{kind} {len(data)}\0".encode())
    digest.update(data)
    return digest.hexdigest()


def require(kind: str, data: bytes, wanted: str) -> bytes:
    """`data`, if it is the object `wanted`; raises `CommitRefused`."""
    actual = identity(kind, data, like=wanted)
    if actual != wanted:
        raise CommitRefused(
            f"{kind} {wanted[:12]} was tampered with: its bytes are those of {actual[:12]}",
            fix="remove the folder repository.git in the reconciler's state; it is fetched again",
        )
    return data


def commit(identity: str, data: bytes) -> Commit:
    """Read the commit object `identity`; raises `CommitRefused` where it is not sound."""
    head, separator, _ = data.partition(b"\n\n")
    if not separator or b"\0" in data:
        raise _unsound(identity, "it has no message, or a zero byte")
    fields: dict[bytes, list[bytes]] = {}
    payload = []
    for lines in _headers(head):
        name, _, value = lines.partition(b" ")
        fields.setdefault(name, []).append(value)
        if name not in _SIGNATURES:
            payload.append(lines)
    signatures = [value for name in sorted(_SIGNATURES) for value in fields.get(name, [])]
    if len(signatures) > 1:
        raise _unsound(identity, "it has more than one signature")
    return Commit(
        identity,
        tree=_one(identity, fields, b"tree").decode("ascii", "replace"),
        parents=tuple(value.decode("ascii", "replace") for value in fields.get(b"parent", [])),
        author=_address(_one(identity, fields, b"author")),
        committer=_address(_one(identity, fields, b"committer")),
        signature=signatures[0].replace(b"\n ", b"\n") + b"\n" if signatures else b"",
        payload=b"\n".join(payload) + data[len(head) :],
    )


def tree(identity: str, data: bytes) -> list[TreeItem]:
    """Read the tree object `identity`; raises `CommitRefused` where it is not sound."""
    size = len(identity) // 2
    items: list[TreeItem] = []
    place = 0
    while place < len(data):
        end = data.find(b"\0", place)
        mode, _, name = data[place:end].partition(b" ")
        place = end + 1 + size
        if end < 0 or place > len(data) or not _is_plain(name):
            raise _unsound(identity, "it lists something that is not a name")
        text = name.decode("utf-8", "surrogateescape")
        items.append(
            TreeItem(mode.decode("ascii", "replace"), text, data[place - size : place].hex())
        )
    if len({item.name for item in items}) != len(items):
        raise _unsound(identity, "it lists one name twice")
    return items


def _headers(head: bytes) -> list[bytes]:
    """The header fields, each with the lines that continue it, which begin with a space."""
    found: list[bytes] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and found:
            found[-1] += b"\n" + line
        else:
            found.append(line)
    return found


def _one(identity: str, fields: dict[bytes, list[bytes]], name: bytes) -> bytes:
    values = fields.get(name, [])
    if len(values) != 1:
        raise _unsound(identity, f"it has {len(values)} {name.decode()} lines")
    return values[0]


def _address(person: bytes) -> str:
    """The address in `Name <address> time zone`, in small letters."""
    _, _, rest = person.partition(b"<")
    return rest.partition(b">")[0].decode("utf-8", "replace").strip().lower()


def _is_plain(name: bytes) -> bool:
    return bool(name) and b"/" not in name and name not in (b".", b"..") and name.lower() != b".git"


def _unsound(identity: str, why: str) -> CommitRefused:
    return CommitRefused(
        f"object {identity[:12]} is not what Git writes: {why}",
        fix="look at it with: git cat-file -p " + identity,
    )
