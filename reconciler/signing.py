"""The reconciler's own key: ECDSA P-256, made at its first start, which signs its permits.

It never leaves the state folder. Its public half goes into the registry's reconcilers.json and
from there into the trust root, by hand or, with `plimsoll up`, at the first start.
"""

import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler import state
from registry import errors
from registry.core import dsse
from registry.core.canonical import Json


@dataclass(frozen=True, slots=True)
class Key:
    """Signs statements; says nothing of itself but its public half."""

    private: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return f"Key({self.signer('reconciler').hint})"

    def signer(self, name: str) -> dsse.Signer:
        """The public half under `name`, as a trust root lists it."""
        return dsse.Signer(name, self.private.public_key())

    @property
    def public_pem(self) -> str:
        """The public half as text."""
        return dsse.pem(self.private.public_key()).decode()

    def sign(self, payload: bytes) -> dict[str, Json]:
        """A Sigstore bundle with `payload` in it."""
        signature = self.private.sign(dsse.pae(payload), ec.ECDSA(hashes.SHA256()))
        return dsse.bundle(payload, signature, hint=self.signer("").hint)


def load_or_create(folder: state.StateFolder) -> Key:
    """The key in the state folder; made at the first call."""
    pem = folder.key()
    if pem is None:
        folder.save_key(_pem(ec.generate_private_key(ec.SECP256R1())))
        pem = folder.key() or b""
    return _read(pem, state.KEY_FILE)


def peek(folder: Path) -> Key | None:
    """The key of the reconciler that owns `folder`, without getting in its way."""
    path = folder / state.KEY_FILE
    try:
        status, pem = path.stat(), path.read_bytes()
    except FileNotFoundError:
        return None
    if status.st_mode & 0o077:
        raise errors.InvalidConfig(
            f"{path}: mode {stat.S_IMODE(status.st_mode):04o} lets others read this private key",
            fix=f"chmod 600 {path} (and make a new key if others may have read it)",
        )
    return _read(pem, str(path))


def _read(pem: bytes, name: str) -> Key:
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise errors.InvalidConfig(
            f"{name}: not an unencrypted PEM private key",
            fix="put the reconciler's key back, or remove the file: a new one is made, "
            "which the registry's reconcilers.json must then list",
        ) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
        raise errors.InvalidConfig(f"{name}: not an ECDSA P-256 key", fix="put the own key back")
    return Key(private)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
