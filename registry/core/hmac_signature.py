"""Signs what is sent to webhooks in the form of Standard Webhooks 1.0.

The signature covers id, time and body, so none can be exchanged; the receiver refuses a time
that is long past, so none can be sent again.
"""

import base64
import binascii
import hashlib
import hmac

from registry.errors import InvalidInput

PREFIX = "whsec_"
_LEAST, _MOST = 24, 64


def sign(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`; `timestamp` is in seconds since 1970."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def secret_text(key: bytes) -> str:
    """How a generated key is shown to people."""
    return PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: base64 after `whsec_`. Raises InvalidInput."""
    bare = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(bare, validate=True) if bare != secret else b""
    except (binascii.Error, ValueError):
        key = b""
    if not _LEAST <= len(key) <= _MOST:
        raise InvalidInput(
            f"a secret is {PREFIX} and then {_LEAST} to {_MOST} bytes in base64",
            fix="leave the secret out, and one is made",
        )
    return key
