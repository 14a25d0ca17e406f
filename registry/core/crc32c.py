"""CRC-32C, the checksum of TensorFlow's checkpoints (RFC 3720, 12.1), at gigabytes a second.

No library in our set has it. Here it is polynomial arithmetic over whole arrays: the polynomial P
divides x^6777 + x^484 + x^100 + 1, and so also that polynomial of x^8 and of x^64. A word of as
many bits can therefore be moved 6777 words on by three XORs, and 6293 of them at once. The 6777
bytes that are left in the end are folded in halves with tables. (After: Russell, "Chorba: A novel
CRC32 implementation", arXiv 2412.16398.)
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x11EDC6F41
_FAR, _NEAR, _NEARER = 6777, 484, 100
_AT_ONCE = _FAR - _NEAR
_ORDER = (1 << 31) - 1  # x to this power is 1 modulo P
_ONES = 0xFFFFFFFF
_KEPT = 8 * _FAR + 8
_BLOCK = 1 << 18
_MASK_DELTA = 0xA282EAD8


class Crc32c:
    """The checksum of all that `update` was given."""

    def __init__(self) -> None:
        # Read as four bytes more at the front, the initial value is part of the message.
        self._held = bytes(4) + _initial().to_bytes(4, "little")

    def update(self, data: bytes | memoryview) -> None:
        view = memoryview(data).cast("B")
        if len(self._held) + len(view) <= _KEPT:
            self._held += view
            return
        # Where all fits into the processor's cache, and no page is new.
        work = np.empty(_KEPT + _BLOCK, np.uint8)
        held = len(self._held)
        work[:held] = np.frombuffer(self._held, np.uint8)
        for start in range(0, len(view), _BLOCK):
            block = np.frombuffer(view[start : start + _BLOCK], np.uint8)
            work[held : held + len(block)] = block
            held = _moved_on(work, held + len(block), np.dtype("<u8"))
        self._held = work[:held].tobytes()

    def value(self) -> int:
        """Of everything so far; more may follow."""
        work = np.frombuffer(self._held, np.uint8).copy()
        left = _moved_on(work, len(work), np.dtype(np.uint8))
        lanes = 1 << (-(-left // 4) - 1).bit_length()
        # Zeros in front are no part of the message.
        folded = np.frombuffer(work[:left].tobytes().rjust(4 * lanes, b"\0"), "<u4")
        while lanes > 1:
            lanes //= 2
            folded = _times(folded[:lanes], 32 * lanes) ^ folded[lanes:]
        return int(_times(folded, 32)[0]) ^ _ONES


def _moved_on(work: NDArray[np.uint8], held: int, word: np.dtype[np.unsignedinteger[Any]]) -> int:
    """Of the first `held` bytes as many are left, at the front, as must be: so many."""
    whole = held // word.itemsize
    words = work[: whole * word.itemsize].view(word)
    at = 0
    while whole - at > _FAR:
        count = min(_AT_ONCE, whole - at - _FAR)
        moved = words[at : at + count]
        for distance in (_FAR - _NEAR, _FAR - _NEARER, _FAR):
            onto = words[at + distance : at + distance + count]
            np.bitwise_xor(onto, moved, out=onto)
        at += count
    left = held - at * word.itemsize
    work[:left] = work[at * word.itemsize : held].copy()
    return left


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of `data`."""
    running = Crc32c()
    running.update(data)
    return running.value()


def masked(value: int) -> int:
    """As TensorFlow and LevelDB store it, so that a checksum over checksums still tells."""
    return ((value >> 15 | value << 17) + _MASK_DELTA) & _ONES


def _times(lanes: NDArray[np.uint32], power: int) -> NDArray[np.uint32]:
    """Each lane, a polynomial with its highest power in the lowest bit, times x^power modulo P."""
    tables = _tables(power)
    places = np.ascontiguousarray(lanes).view(np.uint8).reshape(-1, 4)
    product: NDArray[np.uint32] = tables[0].take(places[:, 0])
    for place in (1, 2, 3):
        product ^= tables[place].take(places[:, place])
    return product


@cache
def _tables(power: int) -> NDArray[np.uint32]:
    """For each of four bytes and each of its values, its product with x^power."""
    product, of_bit = _power(power), [0] * 32
    for bit in reversed(range(32)):  # bit 31 stands for x^0
        of_bit[bit] = _reflected(product)
        product = _reduced(product << 1)
    tables = np.zeros((4, 256), np.uint32)
    for place in range(4):
        for bit in range(8):
            one = 1 << bit
            tables[place, one : 2 * one] = tables[place, :one] ^ np.uint32(of_bit[8 * place + bit])
    return tables


@cache
def _initial() -> int:
    """The four bytes that bring a checksum from 0 to its initial value, all ones."""
    return int(_times(np.array([_ONES], np.uint32), _ORDER - 32)[0])


def _power(exponent: int) -> int:
    """x^exponent modulo P."""
    found = 1
    for digit in f"{exponent:b}":
        square = sum(1 << 2 * bit for bit in range(32) if found >> bit & 1)
        found = _reduced(square << (digit == "1"))
    return found


def _reduced(polynomial: int) -> int:
    while (over := polynomial.bit_length() - 33) >= 0:
        polynomial ^= _POLYNOMIAL << over
    return polynomial


def _reflected(value: int) -> int:
    return int(f"{value:032b}"[::-1], 2)
