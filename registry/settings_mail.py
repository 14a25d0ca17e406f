"""Through which server mails go, and how: docs/events.md. Without a server none are sent."""

from dataclasses import dataclass
from pathlib import Path

SECURITIES = {"starttls": 587, "tls": 465, "off": 25}


@dataclass(frozen=True, slots=True)
class Mail:
    """`server` is a host, empty for none; `sender` is the address that mails are from.

    `security` is a key of SECURITIES, which have their usual ports. `ca` is a file of authorities
    instead of the system's, `login_file` has a user and a password, one a line. Two mails to one
    address are at least `pause` seconds apart.
    """

    server: str = ""
    port: int = 587
    security: str = "starttls"
    sender: str = ""
    ca: Path | None = None
    login_file: Path | None = None
    pause: float = 60.0
