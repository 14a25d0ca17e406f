"""The data key of a file, as an armored age file for each recipient. Pure.

ASCII armor as c2sp.org/age has it, which is what SOPS keeps under `sops.age[].enc`.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence

from registry.core import age, age_payload
from registry.core.age import FileKey, Identity
from registry.core.age_payload import NONCE, Opener, Sealer
from registry.errors import DecryptionFailed

_BEGIN = "-----BEGIN AGE ENCRYPTED FILE-----"
_END = "-----END AGE ENCRYPTED FILE-----"
_COLUMNS = 64
_LONGEST = 64 * 1024


def seal(secret: bytes, to: str, *, entropy: Callable[[int], bytes]) -> str:
    """`secret` for the recipient `to` (`age1…`); raises InvalidInput for another kind of it."""
    key = FileKey(entropy(age.KEY_SIZE))
    header = age.encode([age.wrap(key, to, ephemeral=entropy(32))], key)
    nonce = entropy(NONCE)
    sealer = Sealer(key, nonce)
    file = header + nonce + sealer.update(secret) + sealer.finish()
    text = b64encode(file).decode()
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def open_file(text: str, identities: Sequence[Identity]) -> bytes:
    """What is in an armored file; raises DecryptionFailed."""
    file = _unarmored(text)
    header = age.parse(file)
    key = age.unwrap(header, identities)
    payload = file[header.size :]
    age_payload.opened_size(len(payload))
    opener = Opener(key, payload[:NONCE])
    return opener.update(payload[NONCE:]) + opener.finish()


def _unarmored(text: str) -> bytes:
    lines = text.strip().splitlines()
    if len(text) > _LONGEST or len(lines) < 3 or (lines[0], lines[-1]) != (_BEGIN, _END):
        raise DecryptionFailed("the data key is not in an armored age file")
    try:
        return b64decode("".join(line.strip() for line in lines[1:-1]), validate=True)
    except (binascii.Error, ValueError):
        raise DecryptionFailed("the armor of an age file is not base64") from None
