"""The settings `mail_…` of the `[registry]` table: through whom mails go, never in the clear."""

import math
from pathlib import Path

from registry.core import mail_address, table
from registry.settings_mail import SECURITIES, Mail

_THIS_MACHINE = {"localhost", "127.0.0.1", "[::1]"}


def mail(values: table.Table, folder: Path) -> Mail:
    """Raises `InvalidConfig`."""
    ca, login = values.optional("mail_ca"), values.optional("mail_login_file")
    security = values.take("mail_security", str, "starttls")
    if security not in SECURITIES:
        wanted = ", ".join(SECURITIES)
        raise values.error("mail_security", f"must be one of {wanted}, found {security!r}")
    server, port = _server(values, SECURITIES[security])
    found = Mail(
        server=server,
        port=port,
        security=security,
        sender=values.take("mail_from", str, ""),
        ca=None if ca is None else folder / ca,
        login_file=None if login is None else folder / login,
        pause=values.take("mail_pause_seconds", float, 60.0),
    )
    _check(values, found)
    return found


def _server(values: table.Table, usual_port: int) -> tuple[str, int]:
    text = values.take("mail_server", str, "")
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text, usual_port
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise values.error("mail_server", f"must be host or host:port, found {text!r}")
    return host, int(port)


def _check(values: table.Table, found: Mail) -> None:
    if not 1 <= found.pause < math.inf:
        raise values.error("mail_pause_seconds", f"must be at least 1, found {found.pause}")
    if not found.server:
        return
    if not mail_address.is_mailbox(found.sender):
        wanted = "must be an address like plimsoll@example.org"
        raise values.error("mail_from", f"{wanted}, found {found.sender!r}")
    if found.security != "off":
        return
    if found.server not in _THIS_MACHINE:
        raise values.error(
            "mail_security",
            "may be off for a server on this machine alone: anybody else's is "
            "reached by starttls or tls",
        )
    if found.login_file is not None:
        raise values.error("mail_login_file", 'must not be there with mail_security = "off"')
