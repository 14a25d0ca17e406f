"""CRC-32C: by its definition, bit for bit, in whatever pieces the bytes come."""

import random

import pytest

from registry.core.crc32c import Crc32c, crc32c, masked

RANDOM = random.Random(7).randbytes(130_001)


def by_definition(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)
    return value ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_it_gives_what_rfc_3720_says(data: bytes, expected: int):
    assert crc32c(data) == expected


@pytest.mark.parametrize("length", [1, 3, 4, 5, 8, 100, 54_207, 54_208, 54_221, 130_001])
def test_every_length_gives_what_the_definition_does(length: int):
    assert crc32c(RANDOM[:length]) == by_definition(RANDOM[:length])


@pytest.mark.parametrize("step", [1_009, 54_216, 70_001])
def test_pieces_give_what_the_whole_does(step: int):
    running = Crc32c()
    for start in range(0, len(RANDOM), step):
        running.update(RANDOM[start : start + step])
        assert running.value() == crc32c(RANDOM[: start + step])


def test_it_is_stored_turned_and_moved_on():
    """TensorFlow and LevelDB: 15 bits to the right around, plus a constant, in 32 bits."""
    assert masked(0) == 0xA282EAD8
    assert masked(1) == 0xA284EAD8
    assert masked(0x8000) == 0xA282EAD9
    assert masked(0xFFFFFFFF) == 0xA282EAD7
