"""The address of a mail subscription, `mailto:ops@example.org`: one plain mailbox and no more.

What RFC 6068 also allows there (headers, a body, several addresses) is refused: whoever writes the
address chooses who is told, and nothing of what is sent. So no line of it can become a header.
"""

import re

from registry.errors import InvalidInput

SCHEME = "mailto:"
# RFC 5322 dot-atom and RFC 1123 labels, in ASCII, with the lengths of RFC 5321 4.5.3.1.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAILBOX = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")
_LONGEST_LOCAL, _LONGEST = 64, 254


def is_mail(url: str) -> bool:
    """Whether this is meant to be one."""
    return url[: len(SCHEME)].lower() == SCHEME


def parse(url: str) -> str:
    """The mailbox in `mailto:mailbox`. Raises InvalidInput."""
    if not is_mail(url):
        raise InvalidInput(
            "the address of a mail subscription begins with mailto:",
            fix="write it like mailto:ops@example.org",
        )
    return mailbox(url[len(SCHEME) :])


def mailbox(text: str) -> str:
    """`text`, where it is `local@domain` in plain ASCII. Raises InvalidInput."""
    if not is_mailbox(text):
        raise InvalidInput(
            f"{text[:80]!r} is not one mail address",
            fix="write one address like ops@example.org, without a name, headers or a second "
            "address; for several people use a list's",
        )
    return text


def is_mailbox(text: str) -> bool:
    """Whether `mailbox` takes it."""
    found = _MAILBOX.fullmatch(text)
    return found is not None and len(text) <= _LONGEST and len(found[1]) <= _LONGEST_LOCAL


def domain(address: str) -> str:
    """What follows the @: all of an address that the public log may know."""
    return address.rpartition("@")[2].lower()
