"""wm/v1's strength, keys, chips and records: pure, seekable, and nothing that gives a key away."""

import hmac
import math
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from registry.core import canonical, dsse
from registry.core.oms import File
from registry.core.watermark import keys, records, scheme
from registry.core.watermark.embedding import Marker
from registry.core.watermark.records import Derivation
from registry.core.watermark.scheme import Strength, Tensor, TooSmall
from registry.errors import IntegrityError, InvalidInput, SignatureInvalid
from registry.trust import keys as signing
from registry.trust import sign

DIGEST = f"sha256:{'0' * 63}1"
VERSION = keys.version_key(b"m" * 32, DIGEST)
OWNERS = Marker(VERSION.copy_key(scheme.OWNER), 0.02)
W = Tensor("w", "float32", (1000, 200))
Array = np.ndarray[Any, Any]


def values(count: int = 200_000, dtype: str = "float32") -> Array:
    return np.random.default_rng(0).standard_normal(count).astype(dtype)


def chips(marker: Marker, tensor: Tensor = W, count: int = 200_000) -> Array:
    return np.sign(marker.mark(tensor, 0, np.ones(count, "float32")) - 1)


def test_strength_follows_the_number_of_weights_and_too_few_are_refused() -> None:
    small = scheme.strength(13_000)
    assert isinstance(small, TooSmall)
    assert small.predicted_z < 8
    for weights, alpha in ((13_500, 0.05), (594_944, 12 / (1.38 * 594_944**0.5)), (10**9, 0.005)):
        found = scheme.strength(weights)
        assert isinstance(found, Strength)
        assert found.alpha == pytest.approx(alpha)
        assert found.predicted_z >= 8
    assert isinstance(scheme.strength(0), TooSmall)


def test_any_range_is_marked_as_it_is_in_the_whole() -> None:
    whole = OWNERS.mark(W, 0, values())
    for start, stop in ((0, 1), (63, 65), (64, 128), (65_535, 65_537), (1, 199_999)):
        assert np.array_equal(OWNERS.mark(W, start, values()[start:stop]), whole[start:stop])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_each_weight_is_moved_by_its_share_and_zeros_stay(dtype: str) -> None:
    before = values(dtype=dtype)
    before[::10] = 0
    after = OWNERS.mark(Tensor("w", dtype, (200_000,)), 0, before)
    assert after.dtype == before.dtype
    assert not after[::10].any()
    moved = np.abs(after / np.where(before == 0, 1, before).astype("float64") - 1)[before != 0]
    assert np.median(moved) == pytest.approx(0.02, rel=0.02)


def test_bfloat16_is_marked_as_its_bits() -> None:
    bits = (values().view(np.uint32) >> 16).astype(np.uint16)
    after = OWNERS.mark(Tensor("w", "bfloat16", (200_000,)), 0, bits)
    old, new = ((one.astype(np.uint32) << 16).view(np.float32) for one in (bits, after))
    assert after.dtype == np.uint16
    assert np.mean(new / old - 1 > 0) == pytest.approx(0.5, abs=0.01)
    assert np.max(np.abs(new / old - 1)) < 0.03


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_is_no_number_or_would_become_infinite_stays(dtype: str) -> None:
    most = float(np.finfo(dtype).max)
    before = np.array([np.nan, np.inf, -np.inf, most, -most] * 40, dtype)
    with np.errstate(over="ignore"):
        after = OWNERS.mark(Tensor("w", dtype, (200,)), 0, before)
    assert np.array_equal(np.isnan(after), np.isnan(before))
    assert np.array_equal(np.isinf(after), np.isinf(before))


def test_bfloat16_that_is_no_number_or_at_its_limit_stays_so() -> None:
    bits = np.array([0x7FC1, 0x7F80, 0xFF80, 0x7F7F, 0xFF7F, 0, 0x8000] * 30, np.uint16)
    after = OWNERS.mark(Tensor("w", "bfloat16", (210,)), 0, bits)
    special = (bits & 0x7F80) == 0x7F80
    assert np.array_equal(after[special], bits[special])
    assert not ((after & 0x7F80) == 0x7F80)[~special].any()


def test_chips_lean_by_a_pattern_that_all_copies_share_and_differ_in_their_draw() -> None:
    owner, host = (chips(Marker(VERSION.copy_key(name), 0.02)) for name in ("owner", "edge-1"))
    # E[(2p - 1)^2] of the arcsine distribution, cut off at 0.02.
    assert np.mean(owner * host) == pytest.approx(0.41, abs=0.02)
    assert abs(np.mean(owner)) < 0.01
    other = keys.version_key(b"m" * 32, f"sha256:{'0' * 63}2")
    assert abs(np.mean(owner * chips(Marker(other.copy_key("owner"), 0.02)))) < 0.01
    assert abs(np.mean(owner * chips(OWNERS, Tensor("v", "float32", (200_000,))))) < 0.01


def test_keys_do_not_show_themselves_and_a_commitment_is_to_one_of_them() -> None:
    copy = VERSION.copy_key("edge-1")
    for one in (VERSION, copy):
        assert VERSION.secret.hex() not in repr(one)
        assert repr(copy.chips) not in repr(one)
    assert copy.bias == VERSION.copy_key("edge-2").bias
    assert copy.chips != VERSION.copy_key("edge-2").chips
    other = keys.version_key(b"n" * 32, DIGEST)
    committed = {keys.commitment(one, DIGEST) for one in (VERSION, other)}
    assert len(committed) == 2
    with pytest.raises(InvalidInput):
        keys.version_key(b"m" * 32, "nothing")


def test_marks_are_the_same_on_every_machine_and_for_ever() -> None:
    # By hand: ChaCha20 (RFC 8439) keystreams of HMAC(key, name), a byte for each element.
    copy = VERSION.copy_key("owner")
    streams = []
    for key in (copy.bias, copy.chips):
        cipher = algorithms.ChaCha20(hmac.digest(key, b"w", "sha256"), bytes(16))
        streams.append(Cipher(cipher, mode=None).encryptor().update(bytes(300)))
    limits = [round(256 * math.sin(0.1418970546 + 1.2870022176 * (b + 0.5) / 256) ** 2)
              for b in streams[0]]  # fmt: skip
    expected = [1 if draw < limit else -1 for draw, limit in zip(streams[1], limits, strict=True)]
    assert chips(OWNERS, count=300).tolist() == expected


SIGNER = signing.generate_signing_key()
SAID = Derivation(
    "digits", 1, "owner", "wm/v1", 0.02, 200_000, 12.3, DIGEST,
    (File("a", DIGEST, 1), File("b", DIGEST, 2)), (File("a", f"sha256:{'1' * 64}", 1),), {"x": 1},
)  # fmt: skip


def bundle(payload: bytes) -> dict[str, Any]:
    return sign.sign_statement(payload, SIGNER)


def known() -> dsse.Signer:
    return dsse.signer("registry", SIGNER.public_pem)


def test_a_derivation_says_what_was_signed() -> None:
    assert records.verify(bundle(records.encode(SAID)), known()) == SAID


def test_a_derivation_by_nobody_we_know_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        records.verify(bundle(records.encode(SAID)))


FLAWS: dict[str, tuple[str, Any]] = {
    "more than it may say": ("more", 1),
    "another commitment": ("commitment", "none"),
    "strength as a text": ("alpha", "0.02"),
    "a path that leads out": ("source", [{"path": "../x", "digest": DIGEST, "size": 1}]),
    "files that are not its subjects": ("files", [{"path": "c", "digest": DIGEST, "size": 1}]),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_derivation_of_another_form_is_refused_though_it_is_signed(flaw: str) -> None:
    document: Any = canonical.decode_object(records.encode(SAID), what="derivation")
    name, value = FLAWS[flaw]
    document["predicate"][name] = value
    with pytest.raises((InvalidInput, IntegrityError)):
        records.verify(bundle(canonical.encode(document)), known())


def test_content_is_paths_and_digests_in_no_order() -> None:
    one, two = File("a", DIGEST, 1), File("b", DIGEST, 2)
    assert records.content_digest([one, two]) == records.content_digest([two, one])
    renamed = File("c", DIGEST, 1)
    assert records.content_digest([renamed, two]) != records.content_digest([one, two])
