"""A whole file of secrets: every value under `data` encrypted, and a MAC over all of it. Pure.

The format is SOPS's own, as its 3.x releases read and write it: the MAC is SHA-512 over every
value in the order of the file, those in the open too, and is encrypted like a value with the time
of the last change. So who may use a secret is as authentic as the secret. What the MAC does not
cover are names in the open and where one value ends and the next begins.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core.sops import armor, sealed
from registry.core.age import Identity
from registry.core.documents import Value
from registry.errors import DecryptionFailed, InvalidInput, PlimsollError

SECTION = "data"
RULE = f"^{SECTION}$"
VERSION = "3.11.0"
_KEY_SIZE = 32

Tree = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file in the clear. `tree` is without `sops`; `values` are by their names in `spec.data`."""

    tree: Tree = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    key: bytes = field(repr=False)
    recipients: tuple[str, ...]


def recipients(tree: Mapping[str, Value]) -> tuple[str, ...]:
    """Who can open the file, as `age1…`."""
    return tuple(str(entry.get("recipient", "")) for entry in _entries(tree))


def opened(tree: Tree, identities: Sequence[Identity], *, what: str) -> Opened:
    """Decrypt the file `what` and check its MAC; raises DecryptionFailed naming the place."""
    try:
        return _opened(tree, identities)
    except PlimsollError as error:
        raise DecryptionFailed(f"{what}: {error.detail}", fix=error.fix) from None


def closed(
    tree: Tree,
    to: Sequence[str],
    *,
    now: str,
    entropy: Callable[[int], bytes],
    before: tuple[Tree, Opened] | None = None,
) -> Tree:
    """Encrypt a file for the recipients `to`; `now` is a UTC time such as 2026-01-31T12:00:00Z.

    With `before`, that file and what it was opened to, values that did not change keep their
    ciphertext and the data key stays: only what is another value looks like one.
    """
    if not to:
        raise InvalidInput("no recipient", fix="name one with --recipient age1…")
    key = entropy(_KEY_SIZE) if before is None else before[1].key
    kept = {} if before is None else _kept(*before)

    def leaf(path: tuple[str, ...], value: str) -> str:
        if not value:
            raise InvalidInput(f"{'.'.join(path)} is empty", fix="leave it out")
        known = kept.get((path, value))
        place = _place(path)
        iv = b"" if known else entropy(sealed.IV_SIZE)
        return known or sealed.seal(value.encode(), key, place=place, iv=iv)

    plain = {name: value for name, value in tree.items() if name != "sops"}
    mac = _mac(value.encode() for _, value, _ in _leaves(plain))
    age: list[Value] = [
        {"recipient": one, "enc": armor.seal(key, one, entropy=entropy)} for one in to
    ]
    metadata: Tree = {
        "age": age,
        "lastmodified": now,
        "mac": sealed.seal(mac.encode(), key, place=now, iv=entropy(sealed.IV_SIZE)),
        "encrypted_regex": RULE,
        "version": VERSION,
    }
    return {**_mapped(plain, leaf), "sops": metadata}


def _opened(tree: Tree, identities: Sequence[Identity]) -> Opened:
    metadata = _metadata(tree)
    if metadata.get("mac_only_encrypted"):
        raise DecryptionFailed(
            "its MAC leaves out what is in the open, and so who may use it",
            fix="encrypt it anew without mac_only_encrypted",
        )
    key = _data_key(tree, identities)

    def leaf(path: tuple[str, ...], value: str) -> str:
        return sealed.unseal(value, key, place=_place(path)).decode()

    body = {name: value for name, value in tree.items() if name != "sops"}
    try:
        plain = _mapped(body, leaf)
    except UnicodeDecodeError:
        raise DecryptionFailed("a value is not text", fix="store bytes as base64") from None
    _require_mac(metadata, key, _mac(value.encode() for _, value, _ in _leaves(plain)))
    values = {path[-1]: value for path, value, is_secret in _leaves(plain) if is_secret}
    return Opened(plain, values, key, recipients(tree))


def _require_mac(metadata: Mapping[str, Value], key: bytes, mac: str) -> None:
    said, time = metadata.get("mac"), metadata.get("lastmodified")
    if not isinstance(said, str) or not isinstance(time, str) or not said:
        raise DecryptionFailed("it has no MAC", fix="encrypt it anew")
    fix = "take the file as it was encrypted; after a merge, encrypt the values anew"
    try:
        known = sealed.unseal(said, key, place=time)
    except DecryptionFailed:
        raise DecryptionFailed("its MAC was changed", fix=fix) from None
    if not hmac.compare_digest(known, mac.encode()):
        what = "its MAC does not fit: a value, or who may use it, was changed after encryption"
        raise DecryptionFailed(what, fix=fix)


def _data_key(tree: Mapping[str, Value], identities: Sequence[Identity]) -> bytes:
    entries = _entries(tree)
    if not entries:
        fix = "encrypt it to an age recipient; PGP and cloud keys are not read here"
        raise DecryptionFailed("it has no age recipient", fix=fix)
    ours = {one.recipient for one in identities}
    for entry in entries:
        if entry.get("recipient") in ours:
            key = armor.open_file(str(entry.get("enc", "")), identities)
            if len(key) != _KEY_SIZE:
                raise DecryptionFailed("its data key has another size than 32 bytes")
            return key
    to = ", ".join(recipients(tree))
    raise DecryptionFailed(
        f"it was encrypted to {to}, and none of these keys is here",
        fix="encrypt it to the key that `plimsoll secrets keys` prints here",
    )


def _kept(sealed_tree: Tree, known: Opened) -> dict[tuple[tuple[str, ...], str], str]:
    before = {path: text for path, text, is_secret in _leaves(sealed_tree) if is_secret}
    return {
        (path, value): before[path]
        for path, value, is_secret in _leaves(known.tree)
        if is_secret and path in before
    }


def _metadata(tree: Mapping[str, Value]) -> Mapping[str, Value]:
    found = tree.get("sops")
    return found if isinstance(found, dict) else {}


def _entries(tree: Mapping[str, Value]) -> list[dict[str, Value]]:
    found = _metadata(tree).get("age")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _leaves(tree: Tree) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """Every value in the order of the file, by the names above it (places in lists are none), and
    whether it is a secret."""
    found: list[tuple[tuple[str, ...], str, bool]] = []

    def keep(path: tuple[str, ...], value: str, *, is_secret: bool) -> str:
        found.append((path, value, is_secret))
        return value

    _walk({name: one for name, one in tree.items() if name != "sops"}, (), keep)
    return iter(found)


def _mapped(tree: Tree, leaf: Callable[[tuple[str, ...], str], str]) -> Tree:
    def change(path: tuple[str, ...], value: str, *, is_secret: bool) -> str:
        return leaf(path, value) if is_secret else value

    found = _walk(tree, (), change)
    return found if isinstance(found, dict) else {}


def _walk(value: Value, path: tuple[str, ...], leaf: Callable[..., str]) -> Value:
    match value:
        case dict():
            return {name: _walk(one, (*path, name), leaf) for name, one in value.items()}
        case list():
            return [_walk(one, path, leaf) for one in value]
        case str():
            return leaf(path, value, is_secret=SECTION in path)
        case None:
            return None
        case _:
            where = ".".join(path)
            raise InvalidInput(f"{where} is not text", fix="put quotes around it")


def _place(path: tuple[str, ...]) -> str:
    return "".join(f"{name}:" for name in path)


def _mac(values: Iterator[bytes]) -> str:
    found = hashlib.sha512()
    for value in values:
        found.update(value)
    return found.hexdigest().upper()
