"""Puts a mark into weights, any range of a tensor by itself, always with the same result.

Each element has one byte of two ChaCha20 keystreams. The first, common to all copies, gives the
chance p of its chip to be +1: arcsine-distributed between 0.02 and 0.98 (Tardos, J. ACM 55(2)),
so that recipients who mix their copies still leave traces of each. The second draws the chip.
"""

import functools
import hashlib
import hmac
import math

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms
from numpy.typing import NDArray

from registry.core.watermark.keys import CopyKey
from registry.core.watermark.scheme import Tensor

# As many at once stay in the processor's cache.
STEP = 1 << 17
CUT_OFF = 0.02
_BLOCK = 64


def _thresholds() -> bytes:
    """By the first byte, how many of the 256 second bytes make the chip +1."""
    least = math.asin(math.sqrt(CUT_OFF))
    angles = (least + (math.pi / 2 - 2 * least) * (byte + 0.5) / 256 for byte in range(256))
    return bytes(round(256 * math.sin(angle) ** 2) for angle in angles)


THRESHOLDS = _thresholds()


class Marker:
    """Marks for the one recipient whose key it has. Threads may share it."""

    def __init__(self, key: CopyKey, alpha: float) -> None:
        self._key = key
        self.alpha = alpha

    def mark(self, tensor: Tensor, start: int, block: NDArray[np.generic]) -> NDArray[np.generic]:
        """Elements [start, start + len(block)) of `tensor` in C order, marked.

        Of the same dtype; bfloat16 comes and goes as the bits of uint16. What is zero, infinite or
        no number stays, and so does what would become infinite.
        """
        marked = np.empty_like(block)
        name = tensor.name.encode()
        bias, drawn = (
            hmac.digest(key, name, hashlib.sha256) for key in (self._key.bias, self._key.chips)
        )
        desk = _Desk(_keystream(bias, start), _keystream(drawn, start), min(STEP, len(block)))
        for at in range(0, len(block), STEP):
            part = slice(at, min(at + STEP, len(block)))
            desk.move(block[part], desk.chips(part.stop - at), self.alpha, marked[part])
        return marked


def _keystream(key: bytes, start: int) -> CipherContext:
    """The ChaCha20 keystream (RFC 8439, nonce zero) of `key` from byte `start` on."""
    first, skip = divmod(start, _BLOCK)
    cipher = Cipher(algorithms.ChaCha20(key, first.to_bytes(16, "little")), mode=None)
    stream = cipher.encryptor()
    stream.update(bytes(skip))
    return stream


class _Desk:
    """Room to work on some elements at a time, one after the other, used again and again."""

    def __init__(self, bias: CipherContext, drawn: CipherContext, most: int) -> None:
        self._bias, self._drawn = bias, drawn
        self._zeros = memoryview(bytes(most))
        self._leaning, self._draw = bytearray(most), bytearray(most)
        self._factor = np.empty(most, np.float32)
        self._places = np.empty(most, np.intp)

    def chips(self, count: int) -> NDArray[np.bool_]:
        """Which of the next elements have the chip +1."""
        self._bias.update_into(self._zeros[:count], self._leaning)
        self._drawn.update_into(self._zeros[:count], self._draw)
        limit = np.frombuffer(self._leaning.translate(THRESHOLDS), np.uint8, count)
        return np.frombuffer(self._draw, np.uint8, count) < limit

    def move(
        self,
        block: NDArray[np.generic],
        plus: NDArray[np.bool_],
        alpha: float,
        into: NDArray[np.generic],
    ) -> None:
        """Each element by its share, up where the chip is +1, down where it is -1."""
        with np.errstate(over="ignore", invalid="ignore"):
            match block.dtype.name:
                case "float64":
                    np.multiply(block, np.where(plus, 1 + alpha, 1 - alpha), out=into)
                case "float32":
                    np.multiply(block, self._factors(plus, alpha), out=into)
                case _:
                    places = self._places[: len(plus)]
                    np.multiply(plus, 1 << 16, out=places)
                    places += block.view(np.uint16)
                    moved = _moved_bits(block.dtype.name, alpha)
                    np.take(moved, places, out=into.view(np.uint16), mode="wrap")
                    return
            # Infinite also where finite numbers are very large: then it is looked at closely.
            if not math.isfinite(np.add.reduce(into)):
                np.copyto(into, block, where=~np.isfinite(into))

    def _factors(self, plus: NDArray[np.bool_], alpha: float) -> NDArray[np.float32]:
        factor = self._factor[: len(plus)]
        np.multiply(plus, np.float32(2 * alpha), out=factor)
        factor += np.float32(1 - alpha)
        return factor


@functools.lru_cache(maxsize=8)
def _moved_bits(dtype: str, alpha: float) -> NDArray[np.uint16]:
    """What each pattern of 16 bits becomes, down in the first 65,536 places, up in the others.

    Looked up many times faster than reckoned. `uint16` is bfloat16: the upper half of a float32,
    rounded to the nearest, ties to even.
    """
    bits = np.arange(1 << 16, dtype=np.uint16)
    is_half = dtype == "float16"
    whole = (
        bits.view(np.float16).astype(np.float32)
        if is_half
        else (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    )
    sides = []
    with np.errstate(over="ignore", invalid="ignore"):
        for factor in (np.float32(1 - alpha), np.float32(2 * alpha) + np.float32(1 - alpha)):
            moved = whole * factor
            rounded = moved.astype(np.float16).view(np.uint16) if is_half else _upper_half(moved)
            exponent = np.uint16(0x7C00 if is_half else 0x7F80)
            is_infinite = (rounded & exponent) == exponent
            sides.append(np.where(is_infinite | ~np.isfinite(whole), bits, rounded))
    return np.concatenate(sides).astype(np.uint16)


def _upper_half(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    whole = values.view(np.uint32)
    rounding = np.uint32(0x7FFF) + ((whole >> np.uint32(16)) & np.uint32(1))
    return ((whole + rounding) >> np.uint32(16)).astype(np.uint16)
