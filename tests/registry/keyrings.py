"""A keyring in memory, shared by all replicas of one store; the database's one passes the same."""

from pathlib import Path

from registry import errors
from registry.core.age import FileKey
from registry.store.encrypted import BlobKey, unknown_key
from registry.trust.key_file import KeyFile
from registry.usecases import keyring

_SHARED: dict[str, dict[str, bytes]] = {}


class MemoryKeyring:
    """`headers` are by key id; ids in `destroyed` open nothing."""

    def __init__(self, path: Path, headers: dict[str, bytes]) -> None:
        self.provider = KeyFile(path)
        self.headers = headers
        self.destroyed: set[str] = set()

    def new(self) -> BlobKey:
        return keyring.new(self.provider)

    def keep(self, key: BlobKey, digest: str) -> None:
        self.headers[key.name] = key.header

    def open(self, key_id: bytes) -> FileKey:
        if key_id.hex() in self.destroyed:
            raise errors.KeyDestroyed(f"the key {key_id.hex()} was destroyed")
        header = self.headers.get(key_id.hex())
        if header is None:
            raise unknown_key(key_id)
        return self.read(header)

    def read(self, header: bytes) -> FileKey:
        return keyring.opened(self.provider, header)


def shared(address: str, path: Path) -> MemoryKeyring:
    """One more view of the keys of the store at `address`."""
    return MemoryKeyring(path, _SHARED.setdefault(address, {}))
