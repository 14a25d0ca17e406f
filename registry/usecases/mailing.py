"""One mail to the operator's own SMTP server, over TLS that was verified, within a time.

The server is the one in the settings, so it may be inside; that it is the right one its certificate
says, before a password is sent. What it refuses for good (RFC 5321, 4.2.1: 5yz for the sender, the
recipient or the mail) is not tried again; everything else is.
"""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path

from registry import errors
from registry.core import mail_address
from registry.core.attempts import Answer, Outcome, Refusal, Silence
from registry.settings_mail import Mail
from registry.trust import keys

_MOST_OF_REASON = 200


class Mailer:
    """Sends through `mail`'s server within `seconds` each."""

    def __init__(self, mail: Mail, seconds: float) -> None:
        self._mail = mail
        self._seconds = seconds
        self._open: set[socket.socket] = set()
        self._is_closing = False

    def send(self, message: EmailMessage) -> Outcome:
        """To the one address in To. Never raises for what the network or the server does."""
        if not self._mail.server:
            return Silence("the setting mail_server names no server")
        try:
            with self._connected() as server:
                return _sent(server, message, self._mail.sender)
        except smtplib.SMTPException as failure:
            return Silence(_told(failure))
        except OSError as failure:
            return Silence(_broken(failure))
        except errors.InvalidConfig as failure:
            return Silence(failure.detail)

    def abort(self) -> None:
        """End what is under way; nothing can be sent afterwards."""
        self._is_closing = True
        for line in list(self._open):
            _cut(line)

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """The server, greeted, over TLS and logged in; cut when the time is over."""
        mail = self._mail
        context = None if mail.security == "off" else _context(mail.ca)
        login = None if mail.login_file is None else _login(mail.login_file)
        host = mail.server.strip("[]")
        address = (host, mail.port)
        with socket.create_connection(address, self._seconds) as line, self._held(line):
            implicit = context if mail.security == "tls" else None
            server = _Server(line, host, mail_address.domain(mail.sender), implicit)
            with closing(server):
                if mail.security == "starttls":
                    server.starttls(context=context)
                if login is not None:
                    server.login(*login)
                yield server

    @contextmanager
    def _held(self, line: socket.socket) -> Iterator[None]:
        # A second descriptor of the same connection: the first goes into TLS.
        with closing(line.dup()) as handle:
            timer = threading.Timer(self._seconds, _cut, (handle,))
            timer.daemon = True
            self._open.add(handle)
            timer.start()
            try:
                if self._is_closing:
                    raise TimeoutError
                yield
            finally:
                timer.cancel()
                timer.join()
                self._open.discard(handle)


class _Server(smtplib.SMTP):
    """The library's client over a connection that is there already."""

    def __init__(
        self, line: socket.socket, host: str, name: str, context: ssl.SSLContext | None
    ) -> None:
        self._line, self._tls = line, context
        super().__init__(host, local_hostname=name, timeout=line.gettimeout() or 0)

    def _get_socket(self, host: str, _port: int, _timeout: float) -> socket.socket:
        # The place where the library's own SMTP_SSL differs from SMTP.
        if self._tls is None:
            return self._line
        return self._tls.wrap_socket(self._line, server_hostname=host)


def _sent(server: smtplib.SMTP, message: EmailMessage, sender: str) -> Outcome:
    try:
        server.send_message(message, sender, [str(message["To"])])
    except smtplib.SMTPRecipientsRefused as refusal:
        (answer,) = refusal.recipients.values()
        return _judged(*answer)
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as refusal:
        return _judged(refusal.smtp_code, refusal.smtp_error)
    with suppress(smtplib.SMTPException, OSError):
        server.quit()  # it has the mail already
    return Answer(250)


def _judged(code: int, text: bytes | str) -> Outcome:
    said = f"the mail server answered {code}: {_plain(text)}"
    return Refusal(said) if code >= 500 else Silence(said)


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:  # what is no certificate is an SSLError, which is one too
        raise errors.InvalidConfig(
            f"{ca}: the mail server's authorities cannot be read: {error.strerror or error}",
            fix="point mail_ca at a PEM file of certificates",
        ) from error


def _login(file: Path) -> tuple[str, str]:
    """Read each time, so that a password can be changed at any time."""
    lines = keys.read_private(file).decode(errors="replace").splitlines()
    if len(lines) != 2 or not all(lines):
        raise errors.InvalidConfig(
            f"{file}: not a user and a password, one a line",
            fix="write the user in the first line and the password in the second",
        )
    return lines[0], lines[1]


def _told(failure: smtplib.SMTPException) -> str:
    match failure:
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            return f"the mail server answered {code} to the login in mail_login_file"
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=text):
            return f"the mail server answered {code}: {_plain(text)}"
        case smtplib.SMTPNotSupportedError():
            return f"the mail server lacks what mail_security or mail_login_file wants: {failure}"
        case _:
            return "the mail server broke off, or does not speak SMTP"


def _broken(failure: OSError) -> str:
    match failure:
        case TimeoutError():
            return "the mail server did not answer in time"
        case socket.gaierror():
            return "the mail server's name does not resolve"
        case ssl.SSLCertVerificationError():
            return f"the mail server's certificate does not hold: {failure.verify_message}"
        case ssl.SSLError():
            return "no TLS connection to the mail server came about"
        case _:
            reason = failure.strerror or type(failure).__name__
            return f"the connection to the mail server failed: {reason}"


def _plain(text: bytes | str) -> str:
    found = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    return " ".join(found.split())[:_MOST_OF_REASON]


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
