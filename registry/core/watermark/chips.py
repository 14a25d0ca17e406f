"""The two bytes behind each chip, for whoever looks for a mark: `embedding` draws by the same.

Element i of a tensor has the chip +1 where byte i of the copy's own stream is below the limit that
byte i of the stream of all copies stands for.
"""

import hashlib
import hmac

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

from registry.core.watermark.embedding import THRESHOLDS
from registry.core.watermark.keys import CopyKey
from registry.core.watermark.scheme import Tensor

_BLOCK = 64


def limits(key: CopyKey, tensor: Tensor, start: int, count: int) -> NDArray[np.uint8]:
    """256 times the chance of +1, for elements [start, start + count)."""
    return np.frombuffer(_stream(key.bias, tensor, start, count).translate(THRESHOLDS), np.uint8)


def draws(key: CopyKey, tensor: Tensor, start: int, count: int) -> NDArray[np.uint8]:
    """What decides: the chip is +1 where this is below the limit."""
    return np.frombuffer(_stream(key.chips, tensor, start, count), np.uint8)


def _stream(key: bytes, tensor: Tensor, start: int, count: int) -> bytes:
    own = hmac.digest(key, tensor.name.encode(), hashlib.sha256)
    first, skip = divmod(start, _BLOCK)
    cipher = Cipher(ChaCha20(own, first.to_bytes(16, "little")), mode=None)
    return cipher.encryptor().update(bytes(skip + count))[skip:]
