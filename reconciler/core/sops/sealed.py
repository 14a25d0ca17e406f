"""One encrypted value, as SOPS writes it: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:str]`. Pure.

AES-256 in Galois/Counter Mode (NIST SP 800-38D). Where in its file the value stands is
authenticated with it, so that two values cannot change places.
"""

import binascii
import re
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registry.errors import DecryptionFailed

IV_SIZE = 32
PATTERN = (
    r"^ENC\[AES256_GCM,data:[A-Za-z0-9+/]+={0,2},iv:[A-Za-z0-9+/]+={0,2},"
    r"tag:[A-Za-z0-9+/]+={0,2},type:(str|int|float|bool|bytes)\]$"
)
_TAG_SIZE = 16
_FORM = re.compile(
    r"ENC\[AES256_GCM,data:([A-Za-z0-9+/=]+),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),"
    r"type:(?:str|int|float|bool|bytes)\]"
)


def is_sealed(value: object) -> bool:
    """Whether `value` has the form of an encrypted one."""
    return isinstance(value, str) and re.fullmatch(PATTERN, value) is not None


def seal(value: bytes, key: bytes, *, place: str, iv: bytes) -> str:
    """`value`, encrypted at `place`; `iv` are 32 random bytes, used once with `key`."""
    made = AESGCM(key).encrypt(iv, value, place.encode())
    data, tag = made[:-_TAG_SIZE], made[-_TAG_SIZE:]
    parts = (b64encode(one).decode() for one in (data, iv, tag))
    return "ENC[AES256_GCM,data:{},iv:{},tag:{},type:str]".format(*parts)


def unseal(text: str, key: bytes, *, place: str) -> bytes:
    """What `seal` was given; raises DecryptionFailed, which names the place alone."""
    found = _FORM.fullmatch(text)
    parts = ("", "", "") if found is None else found.groups()
    try:
        data, iv, tag = (b64decode(part, validate=True) for part in parts)
        return AESGCM(key).decrypt(iv, data + tag, place.encode())
    except (InvalidTag, binascii.Error, ValueError):  # an empty nonce is a ValueError as well
        where = place.rstrip(":").replace(":", ".")
        raise DecryptionFailed(f"{where} was changed, or moved here from another place") from None
