"""Content addresses: `sha256:` and 64 lower-case hexadecimal digits."""

import hashlib
import re

from registry.errors import InvalidInput

_FORM = re.compile(r"sha256:[0-9a-f]{64}")


def of(data: bytes) -> str:
    """The digest of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def parse(text: object) -> str:
    """`text` if it is a well-formed digest."""
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        raise InvalidInput(
            f"{str(text)[:80]!r} is not a digest",
            fix="write 'sha256:' followed by 64 lower-case hexadecimal digits, quoted",
        )
    return text


def raw(digest: str) -> bytes:
    """The 32 bytes that `digest` spells."""
    return bytes.fromhex(parse(digest).removeprefix("sha256:"))
