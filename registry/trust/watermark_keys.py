"""Master keys of watermarks: who has one can find, copy or cheat every mark that it made.

They never leave the registry: at rest they are sealed (`sealing`), and what is given to auditors
or goes into statements is derived from them one way. Rotation makes a new epoch for the marks to
come; older ones stay, since the marks that they made are in the world.
"""

import secrets
from dataclasses import dataclass

from registry import errors
from registry.trust.sealing import Vault

SIZE = 32


@dataclass(frozen=True, slots=True)
class Master:
    """The key of one epoch; epochs count from 1."""

    epoch: int
    secret: bytes

    def __repr__(self) -> str:
        return f"Master(epoch {self.epoch})"


def generate(epoch: int) -> Master:
    return Master(epoch, secrets.token_bytes(SIZE))


def seal(master: Master, vault: Vault) -> bytes:
    """As it is kept: whoever has the database alone has nothing."""
    return vault.seal(master.secret, owner=_owner(master.epoch))


def unseal(epoch: int, sealed: bytes, vault: Vault) -> Master:
    """Raises IntegrityError where it was sealed with another key, or for another epoch."""
    secret = vault.open(sealed, owner=_owner(epoch))
    if len(secret) != SIZE:
        raise errors.IntegrityError(f"the watermark key of epoch {epoch} is not one of ours")
    return Master(epoch, secret)


def _owner(epoch: int) -> str:
    return f"watermark key {epoch}"
