"""Names for persons in the log: `p-` and 16 hex digits, which nobody can reverse.

A pseudonym is an HMAC of who the person is, under a salt of that person's own. The log keeps the
pseudonym for ever; once the salt is destroyed, nobody can tell whose it was, not even by trying
all the persons there are.
"""

import hashlib
import hmac
import re

SALT_BYTES = 32
_FORM = re.compile(r"p-[0-9a-f]{16}")


def of(issuer: str, subject: str, salt: bytes) -> str:
    """The pseudonym of the person whom `issuer` calls `subject`."""
    # A length before each part, so that no two pairs are one message.
    parts = (issuer.encode(), subject.encode())
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return "p-" + hmac.new(salt, message, hashlib.sha256).hexdigest()[:16]


def is_one(text: str) -> bool:
    """Whether `text` has the form of a pseudonym."""
    return _FORM.fullmatch(text) is not None
