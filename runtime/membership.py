"""This host's membership: a one-time token exchanged for a certificate, which is renewed in time.

Key and certificate are in the cache's folder, for this user alone. Whoever talks to the registry
asks for `context` each time: it enrols at the first, renews at half of the certificate's life,
and goes on with the present one while the registry is away.
"""

import fcntl
import logging
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry import errors
from registry.core import canonical, fields, problem
from registry.core.canonical import Json
from runtime import durable, tls
from runtime.locks import Locks

_KEY, _CERTIFICATE, _LOCK, _ROOM = "host.key", "host.pem", "lock", "room"
_ROOM_BYTES = 16 * 1024
_LOOK_EVERY_SECONDS = 60.0
_TIMEOUT = httpx2.Timeout(30, connect=5)
_WHAT = "answer to the enrolment"
_log = logging.getLogger("plimsoll.runtime")


@dataclass(frozen=True, slots=True)
class Membership:
    """`token_file` holds the one-time token; it is not read again once there is a certificate.

    `authority` is whom the registry's own certificate must be from; None for the system's.
    """

    url: str
    host: str
    folder: Path
    token_file: Path
    recipient: str
    authority: Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def context(self) -> ssl.SSLContext:
        """TLS that shows this host's certificate, got or renewed first where that is due.

        Raises EnrolmentUsed and what else the registry answers, Unavailable, InvalidConfig.
        """
        with self._lock:
            if not self._is_well():
                # Other runtimes of this host, too: the token is good for one of them.
                with Locks(self.folder).take(_LOCK, fcntl.LOCK_EX):
                    self._refresh()
            return self._showing()

    def _is_well(self) -> bool:
        found = self._present()
        return found is not None and not _is_due(found, datetime.now(UTC))

    def _refresh(self) -> None:
        if self._present() is None:
            self._enrol()
        elif not self._is_well():
            self._renew()

    def _enrol(self) -> None:
        """With room for the answer on the disk before the token is used up."""
        room = self.folder / _ROOM
        durable.replace(room, bytes(_ROOM_BYTES))
        pem = self._asked(self._trusting(), "/v1/enrol", self._token())
        room.unlink()
        self._save(pem)

    def _renew(self) -> None:
        try:
            path = f"/v1/hosts/{self.host}/certificate"
            self._save(self._asked(self._showing(), path, None))
        except (errors.Unavailable, OSError) as error:
            _log.warning("certificate not renewed yet", extra={"reason": str(error)})

    def _asked(self, context: ssl.SSLContext, path: str, token: str | None) -> str:
        """The certificate that the registry answers with, if it is for our key."""
        body: dict[str, Json] = {"certificateRequest": self._request()}
        headers = {"content-type": "application/json"}
        if token is not None:
            body["recipient"] = self.recipient
            headers["authorization"] = f"Bearer {token}"
        try:
            with httpx2.Client(base_url=self.url, verify=context, timeout=_TIMEOUT) as client:
                answer = client.post(path, content=canonical.encode(body), headers=headers)
        except httpx2.HTTPError as error:
            raise errors.Unavailable(f"registry {self.url} did not answer: {error}") from error
        if answer.status_code != 201:
            raise problem.error_from(answer.status_code, answer.content, what=path)
        document = canonical.decode_object(answer.content, what=_WHAT)
        if fields.text(document, "host", what=_WHAT) != self.host:
            raise errors.InvalidConfig(
                f"the enrolment token is for host {document['host']!r}, and this is {self.host!r}",
                fix=f"make one for this host: plimsoll host enrol {self.host}",
            )
        return self._for_our_key(fields.text(document, "certificate", what=_WHAT))

    def _for_our_key(self, pem: str) -> str:
        try:
            found = x509.load_pem_x509_certificate(pem.encode())
        except ValueError as error:
            raise errors.IntegrityError(f"the {_WHAT} holds no certificate") from error
        if found.public_key() != self._key().public_key():
            raise errors.IntegrityError(f"the {_WHAT} is a certificate for another key")
        return pem

    def _save(self, pem: str) -> None:
        durable.replace(self.folder / _CERTIFICATE, pem.encode())

    def _present(self) -> x509.Certificate | None:
        """The certificate there is; none where it cannot be used any more."""
        try:
            data = (self.folder / _CERTIFICATE).read_bytes()
            found = self._for_our_key(data.decode("ascii"))
        except (OSError, UnicodeDecodeError, errors.IntegrityError):
            return None
        certificate = x509.load_pem_x509_certificate(found.encode())
        return certificate if datetime.now(UTC) < certificate.not_valid_after_utc else None

    def _key(self) -> ec.EllipticCurvePrivateKey:
        """The key of this host, made at the first call."""
        file = self.folder / _KEY
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):  # another runtime of this host was first
                durable.create(file, _pem(ec.generate_private_key(ec.SECP256R1())))
        try:
            found = serialization.load_pem_private_key(file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise self._unusable(file) from error
        if not isinstance(found, ec.EllipticCurvePrivateKey):
            raise self._unusable(file)
        return found

    def _unusable(self, file: Path) -> errors.InvalidConfig:
        return errors.InvalidConfig(
            f"{file}: not this host's key",
            fix=f"remove it, then enrol again: plimsoll host enrol {self.host}",
        )

    def _request(self) -> str:
        key = self._key()
        made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        signed = made.sign(key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def _token(self) -> str:
        try:
            return self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise errors.Unauthenticated(
                f"{self.token_file}: the enrolment token cannot be read: {error}",
                fix=f"write what `plimsoll host enrol {self.host}` prints into this file",
            ) from error

    def _trusting(self) -> ssl.SSLContext:
        return tls.trusting(self.authority)

    def _showing(self) -> ssl.SSLContext:
        context = tls.made(self.authority)
        context.load_cert_chain(self.folder / _CERTIFICATE, self.folder / _KEY)
        return context


def keep(member: Membership) -> None:
    """Renew in the background for as long as the process lives: an idle host stays a member."""

    def look() -> None:
        while True:
            try:
                member.context()
            except errors.PlimsollError as error:
                _log.warning("not a member", extra={"code": error.code, "reason": error.detail})
            except OSError as error:  # a full disk may have room again
                _log.warning("not a member", extra={"code": "", "reason": str(error)})
            time.sleep(_LOOK_EVERY_SECONDS)

    threading.Thread(target=look, name="membership", daemon=True).start()


def _is_due(certificate: x509.Certificate, now: datetime) -> bool:
    """At half of its life, so that the other half is left to try again."""
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= since + (until - since) / 2


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
