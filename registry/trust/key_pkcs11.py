"""Key provider `pkcs11`: an AES-256 key that never leaves its hardware module.

Versions are keys of one label with rising ids. A file key is encrypted in the module by AES-GCM,
under the name of its version.
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, SecretKey, Session
from pkcs11.exceptions import (
    DataInvalid,
    DataLenRange,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    GeneralError,
    NoSuchToken,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)
from pkcs11.mechanisms import GCMParams

from registry import errors
from registry.core import age
from registry.core.age import FileKey, Stanza
from registry.trust import keys
from registry.trust.wrapping import Wrapped

_KIND = "plimsoll.dev/pkcs11"
_IV = 12
_BITS = 256
_T = TypeVar("_T")
# What modules say of bytes that another key has encrypted, or that were changed.
_WRONG = (
    DataInvalid, DataLenRange, EncryptedDataInvalid, EncryptedDataLenRange, FunctionFailed,
    GeneralError,
)  # fmt: skip


class Pkcs11Key:
    """The key called `label` on a token; made at the first use. One call at a time."""

    def __init__(self, module: str, token: str, label: str, pin_file: Path) -> None:
        self._module = module
        self._library = _loaded(module)
        self._token = token
        self._label = label
        self._pin_file = pin_file
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._do(self._require_key)

    def current(self) -> str:
        return self._named(self._do(self._newest)[0])

    def generate(self) -> Wrapped:
        key = FileKey(secrets.token_bytes(age.KEY_SIZE))
        stanza, by = self._wrap(key)
        return Wrapped(key, stanza, by)

    def unwrap(self, stanza: Stanza) -> FileKey:
        number = self._number_in(stanza)

        def work(session: Session) -> FileKey:
            found = self._versions(session).get(number)
            if found is None:
                raise errors.DecryptionFailed(
                    f"the token {self._token} has no version {number} of the key {self._label}",
                    fix="connect the module that was there when the blob was stored",
                )
            iv, body = stanza.body[:_IV], stanza.body[_IV:]
            try:
                secret = _cipher(found).decrypt(
                    body, mechanism=Mechanism.AES_GCM, mechanism_param=self._params(iv, number)
                )
            except _WRONG:
                raise errors.DecryptionFailed(
                    f"the key {self._named(number)} does not open this blob's key"
                ) from None
            return FileKey(bytes(secret))

        return self._do(work)

    def rewrap(self, stanza: Stanza) -> tuple[Stanza, str]:
        return self._wrap(self.unwrap(stanza))

    def rotate(self) -> str:
        def work(session: Session) -> int:
            number = max(self._versions(session), default=0) + 1
            self._make(session, number)
            return number

        return self._named(self._do(work))

    def retire(self) -> None:
        def work(session: Session) -> None:
            versions = self._versions(session)
            for number, key in versions.items():
                if number != max(versions):
                    key.destroy()

        self._do(work)

    def _wrap(self, key: FileKey) -> tuple[Stanza, str]:
        def work(session: Session) -> tuple[Stanza, str]:
            number, newest = self._newest(session)
            iv = secrets.token_bytes(_IV)
            body = _cipher(newest).encrypt(
                key.secret, mechanism=Mechanism.AES_GCM, mechanism_param=self._params(iv, number)
            )
            stanza = Stanza(_KIND, (self._label, str(number)), iv + bytes(body))
            return stanza, self._named(number)

        return self._do(work)

    def _params(self, iv: bytes, number: int) -> GCMParams:
        return GCMParams(iv, self._named(number).encode(), 128)

    def _named(self, number: int) -> str:
        return f"pkcs11:{self._label}:{number}"

    def _number_in(self, stanza: Stanza) -> int:
        match stanza.arguments:
            case (label, number) if (
                stanza.kind == _KIND and label == self._label and number.isdecimal()
            ):
                return int(number)
        raise errors.DecryptionFailed(
            f"a blob's key is wrapped by {stanza.kind}, not by this token's key {self._label}",
            fix="set the key provider that was there when the blob was stored",
        )

    def _require_key(self, session: Session) -> None:
        if not self._versions(session):
            self._make(session, 1)

    def _make(self, session: Session, number: int) -> None:
        session.generate_key(
            KeyType.AES, _BITS, id=number.to_bytes(4, "big"), label=self._label, store=True,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )  # fmt: skip

    def _newest(self, session: Session) -> tuple[int, SecretKey]:
        versions = self._versions(session)
        if not versions:
            raise errors.InvalidConfig(
                f"the token {self._token} has no key {self._label} any more",
                fix="connect the module that has it",
            )
        return max(versions), versions[max(versions)]

    def _versions(self, session: Session) -> dict[int, SecretKey]:
        wanted = {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.LABEL: self._label,
        }
        found = [one for one in session.get_objects(wanted) if isinstance(one, SecretKey)]
        return {int.from_bytes(one[Attribute.ID], "big"): one for one in found}

    def _do(self, work: Callable[[Session], _T]) -> _T:
        """One call on the open session; a session that broke is opened again by the next one."""
        with self._lock, self._named_failures():
            if self._session is None:
                self._session = self._open()
            return work(self._session)

    def _open(self) -> Session:
        token = self._library.get_token(token_label=self._token)
        pin = keys.read_private(self._pin_file).decode("utf-8", "replace").strip()
        try:
            session: Session = token.open(rw=True, user_pin=pin)
        except UserAlreadyLoggedIn:
            # Another registry in this process has: a token asks for its PIN once.
            session = token.open(rw=True)
        return session

    @contextmanager
    def _named_failures(self) -> Iterator[None]:
        try:
            yield
        except (PinIncorrect, PinInvalid, PinLenRange, PinLocked) as error:
            raise errors.InvalidConfig(
                f"the token {self._token} does not take the PIN in {self._pin_file}: "
                f"{type(error).__name__}",
                fix="write the token's user PIN into the file",
            ) from None
        except NoSuchToken:
            raise errors.InvalidConfig(
                f"{self._module} has no token called {self._token}",
                fix="connect it, or write its label into pkcs11_token",
            ) from None
        except PKCS11Error as error:
            self._session = None
            raise errors.Unavailable(
                f"the key module does not answer: {type(error).__name__}",
                fix="check that it is connected, then try again",
            ) from error


def _loaded(module: str) -> Any:
    try:
        return pkcs11.lib(module)
    except (PKCS11Error, RuntimeError, OSError) as error:
        raise errors.InvalidConfig(
            f"{module} cannot be loaded: {error}", fix="name the module's library"
        ) from error


def _cipher(key: SecretKey) -> Any:
    """What a key can do depends on its attributes, which no type says."""
    return key
