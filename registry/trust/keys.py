"""Private keys: ECDSA signs models and statements, Ed25519 signs the log's checkpoints.

A key file is PKCS#8 PEM, mode 0600, written whole or not at all and never overwritten. A file
that others may read is refused: a key that leaked is worth less than no key.
"""

import base64
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from registry import errors
from registry.core import dsse

MAX_KEY_FILE = 16 * 1024


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An ECDSA key: a publisher's, or the registry's own. We make P-256; others may be brought."""

    private: ec.EllipticCurvePrivateKey
    # SubjectPublicKeyInfo PEM, as it stands in the trust root.
    public_pem: str = field(init=False)
    # How a Sigstore bundle names this key: sha256 hex of the public PEM.
    hint: str = field(init=False)

    def __post_init__(self) -> None:
        pem = dsse.pem(self.private.public_key())
        object.__setattr__(self, "public_pem", pem.decode("ascii"))
        object.__setattr__(self, "hint", hashlib.sha256(pem).hexdigest())

    def __repr__(self) -> str:
        return f"SigningKey({self.hint})"

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message, dsse.algorithm(self.private.curve))


@dataclass(frozen=True, slots=True)
class LogKey:
    """The Ed25519 key of one log; never used for anything else."""

    private: ed25519.Ed25519PrivateKey
    public_raw: bytes = field(init=False)

    def __post_init__(self) -> None:
        raw = self.private.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        object.__setattr__(self, "public_raw", raw)

    def __repr__(self) -> str:
        return f"LogKey({self.public_key})"

    @property
    def public_key(self) -> str:
        """Base64 of the 32 raw bytes, as it stands in the trust root."""
        return base64.b64encode(self.public_raw).decode("ascii")

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


def generate_signing_key() -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def generate_log_key() -> LogKey:
    return LogKey(ed25519.Ed25519PrivateKey.generate())


def write(key: SigningKey | LogKey, path: Path) -> None:
    """Write a new key file; raises Conflict where one exists already."""
    pem = key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        write_new(path, pem)
    except FileExistsError:
        raise errors.Conflict(
            f"{path}: a key file is there already",
            fix="name another file; keys are not overwritten",
        ) from None
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: the key cannot be written: {error.strerror}",
            fix="name a file in a folder that this user may write to",
        ) from error


def load_signing_key(path: Path) -> SigningKey:
    """Raises InvalidConfig where the file is missing, too open, or not such a key."""
    private = _load(path)
    if isinstance(private, ec.EllipticCurvePrivateKey) and dsse.is_accepted(private.curve):
        return SigningKey(private)
    raise errors.InvalidConfig(
        f"{path}: not an ECDSA key on P-256, P-384 or P-521, which is what signs models",
        fix="make one with `plimsoll keys generate`",
    )


def load_log_key(path: Path) -> LogKey:
    """Raises InvalidConfig where the file is missing, too open, or not an Ed25519 key."""
    private = _load(path)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return LogKey(private)
    raise errors.InvalidConfig(
        f"{path}: not an Ed25519 key, which is what signs the log",
        fix="point the log's key at the file that the registry made at its first start",
    )


def load_or_create_signing_key(path: Path) -> SigningKey:
    """The key at path, made at the first call; of two processes at once, both get the same."""
    _create_if_missing(path, generate_signing_key)
    return load_signing_key(path)


def load_or_create_log_key(path: Path) -> LogKey:
    """The key at path, made at the first call; of two processes at once, both get the same."""
    _create_if_missing(path, generate_log_key)
    return load_log_key(path)


def _create_if_missing(path: Path, generate: Callable[[], SigningKey | LogKey]) -> None:
    if path.exists():
        return
    try:
        write(generate(), path)
    except errors.Conflict:
        return  # another process was first, and its key is as good


def read_private(path: Path) -> bytes:
    """The content of a key file; raises InvalidConfig where it is missing or too open."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: the key cannot be read: {error.strerror}",
            fix="make a key with `plimsoll keys generate --out FILE --name NAME`",
        ) from error
    try:
        # The open file is judged, not the path: nobody can swap it in between.
        _refuse_open_modes(path, os.fstat(descriptor))
        return os.read(descriptor, MAX_KEY_FILE)
    finally:
        os.close(descriptor)


def _load(path: Path) -> object:
    pem = read_private(path)
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise errors.InvalidConfig(
            f"{path}: not an unencrypted PEM private key",
            fix="make a key with `plimsoll keys generate --out FILE --name NAME`",
        ) from error


def _refuse_open_modes(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise errors.InvalidConfig(f"{path}: not a plain file", fix="point at the PEM key file")
    if status.st_mode & 0o077:
        raise errors.InvalidConfig(
            f"{path}: mode {stat.S_IMODE(status.st_mode):04o} lets others read this private key",
            fix=f"chmod 600 {path} (and make a new key if others may have read it)",
        )


def write_new(path: Path, content: bytes) -> None:
    """A new private file, whole or not at all; raises FileExistsError where one exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path, content)
    try:
        # Linking fails where the path exists; renaming would overwrite it.
        os.link(temporary, path)
    finally:
        temporary.unlink()
    _sync(path.parent)


def replace(path: Path, content: bytes) -> None:
    """Put another content in the place of a private file: after a crash it is one or the other."""
    _temporary(path, content).replace(path)
    _sync(path.parent)


def _temporary(path: Path, content: bytes) -> Path:
    """A synced private file beside `path`."""
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        temporary.unlink()
        raise
    return temporary


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
