"""A mail server: a real one with STARTTLS and logins, that keeps what came and answers as told."""

import asyncio
import email
import queue
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from registry.settings_mail import Mail

TAKEN = "250 taken"


@dataclass
class Mailbox:
    """`answers` are given to one mail after the other, then `then` for ever."""

    port: int = 0
    then: str = TAKEN
    answers: list[str] = field(default_factory=list)
    refused_recipients: set[str] = field(default_factory=set)
    arrived: "queue.Queue[EmailMessage]" = field(default_factory=queue.Queue)
    tried: list[bytes] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    envelopes: list[tuple[str, list[str], bool]] = field(default_factory=list)

    def next(self) -> EmailMessage:
        """What comes next, waiting for it."""
        return self.arrived.get(timeout=60)

    def is_quiet(self) -> bool:
        return self.arrived.empty()

    async def handle_RCPT(  # noqa: N802  the server's name for it
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if address in self.refused_recipients:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  the server's name for it
        self, _server: Any, session: Any, envelope: Any
    ) -> str:
        self.tried.append(envelope.content)
        answer = self.answers.pop(0) if self.answers else self.then
        if answer == TAKEN:
            is_tls = session.ssl is not None
            self.envelopes.append((envelope.mail_from, envelope.rcpt_tos, is_tls))
            found = email.message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(found, EmailMessage)
            self.arrived.put(found)
        return answer

    def login(self, *said: Any) -> AuthResult:
        data = said[-1]
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"sesame", handled=False)


@contextmanager
def serving(certificate: Path | None = None, *, wants_login: bool = False) -> Iterator[Mailbox]:
    """At localhost; with `certificate`, a file with its key, it demands STARTTLS."""
    mailbox, context = Mailbox(), None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def server() -> SMTP:
        return SMTP(
            mailbox, loop=loop, tls_context=context, require_starttls=context is not None,
            auth_required=wants_login, authenticator=mailbox.login if wants_login else None,
        )  # fmt: skip

    listening = loop.run_until_complete(loop.create_server(server, "127.0.0.1", 0))
    mailbox.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_until_complete, args=(stop.wait(),))
    thread.start()
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        listening.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def settings(mailbox: Mailbox, certificate: Path | None = None, **more: Any) -> Mail:
    """Such as reach it by the name in its certificate."""
    security = "off" if certificate is None else "starttls"
    usual: dict[str, Any] = {"sender": "plimsoll@example.org", "pause": 3600.0, "ca": certificate}
    return Mail("localhost", mailbox.port, security, **(usual | more))
