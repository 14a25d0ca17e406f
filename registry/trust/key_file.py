"""Key provider `file`: age identities in one private file, the newest first.

Debian's `age -d -i FILE` opens with it what this registry has stored, without our code. Another
process's rotation is seen at the next use.
"""

import secrets
import threading
from contextlib import suppress
from pathlib import Path

from registry import errors
from registry.core import age
from registry.core.age import FileKey, Identity, Stanza
from registry.trust import keys
from registry.trust.wrapping import Wrapped

_ABOUT = (
    "# The registry's keys for stored blobs, for `age -d -i`. The first one encrypts, all of them\n"
    "# decrypt. Who loses this file loses every blob; who copies it can read every blob.\n"
)


class KeyFile:
    """`path` is made at the first use; of two processes at once, both get the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] = (0, 0, 0)
        self._identities: tuple[Identity, ...] = ()
        if not path.exists():
            with suppress(FileExistsError):
                keys.write_new(path, _text([_new()]))
        self._current()

    def current(self) -> str:
        return _named(self._current()[0])

    def generate(self) -> Wrapped:
        key = FileKey(secrets.token_bytes(age.KEY_SIZE))
        newest = self._current()[0]
        return Wrapped(key, _wrap(key, newest), _named(newest))

    def unwrap(self, stanza: Stanza) -> FileKey:
        found = age.unwrap_stanza(stanza, self._current())
        if found is None:
            raise errors.DecryptionFailed(
                f"no key in {self._path} opens this blob's key",
                fix="put the key file back that was there when the blob was stored",
            )
        return found

    def rewrap(self, stanza: Stanza) -> tuple[Stanza, str]:
        key, newest = self.unwrap(stanza), self._current()[0]
        return _wrap(key, newest), _named(newest)

    def rotate(self) -> str:
        with self._lock:
            newest = _new()
            keys.replace(self._path, _text([newest, *self._read()]))
        return _named(newest)

    def retire(self) -> None:
        with self._lock:
            keys.replace(self._path, _text(self._read()[:1]))

    def _current(self) -> tuple[Identity, ...]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise errors.InvalidConfig(
                f"{self._path}: the key file cannot be read: {error.strerror}",
                fix="put the registry's own key file back; without it no blob can be read",
            ) from error
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        with self._lock:
            if seen != self._seen:
                self._identities, self._seen = self._read(), seen
            return self._identities

    def _read(self) -> tuple[Identity, ...]:
        lines = keys.read_private(self._path).decode("utf-8", "replace").splitlines()
        try:
            found = tuple(age.identity(line) for line in lines if line and line[0] != "#")
        except errors.InvalidInput as error:
            raise errors.InvalidConfig(f"{self._path}: {error.detail}", fix=error.fix) from None
        if not found:
            raise errors.InvalidConfig(
                f"{self._path}: there is no key in it", fix="put the registry's own key file back"
            )
        return found


def _new() -> Identity:
    return Identity(secrets.token_bytes(32))


def _wrap(key: FileKey, to: Identity) -> Stanza:
    return age.wrap(key, to.recipient, ephemeral=secrets.token_bytes(32))


def _named(one: Identity) -> str:
    return f"file:{one.recipient}"


def _text(identities: list[Identity] | tuple[Identity, ...]) -> bytes:
    return (_ABOUT + "".join(f"{one.text}\n" for one in identities)).encode()
