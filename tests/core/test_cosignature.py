"""Witnesses' cosignatures: what counts towards a quorum, and what never does."""

import base64
import dataclasses
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from registry import errors
from registry.core import cosignature, note
from tests.core.logs import Witness, log_of

NOW = 1_800_000_000
LOG = log_of(5)
PLAIN = LOG.checkpoint()
ONE, TWO, THREE = (Witness(f"witness.example/{name}") for name in ("one", "two", "three"))
KEYS = (ONE.key, TWO.key, THREE.key)


def test_a_reader_written_from_the_specification_accepts_a_cosignature() -> None:
    line = ONE.cosign(PLAIN, time=NOW).text.removeprefix(PLAIN.text)
    dash, name, blob = line.removesuffix("\n").split(" ")
    raw, public = base64.b64decode(blob), ONE.key.public_key
    assert (dash, name) == ("—", ONE.name)
    assert raw[:4] == hashlib.sha256(name.encode() + b"\n\x04" + public).digest()[:4]
    assert int.from_bytes(raw[4:12], "big") == NOW
    body = PLAIN.text.split("\n\n")[0] + "\n"
    message = f"cosignature/v1\ntime {NOW}\n{body}".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(raw[12:], message)
    assert len(raw) == 4 + 8 + 64


def test_cosignatures_of_distinct_witnesses_reach_the_threshold() -> None:
    both = TWO.cosign(ONE.cosign(PLAIN))
    found = cosignature.require(both, KEYS, threshold=2, now=NOW)
    assert {one.witness for one in found} == {ONE.name, TWO.name}
    with pytest.raises(errors.SignatureInvalid, match=r"by 2 of .* 3 are needed"):
        cosignature.require(both, KEYS, threshold=3, now=NOW)


def test_the_log_itself_is_no_witness() -> None:
    with pytest.raises(errors.SignatureInvalid, match="by 0 of"):
        cosignature.require(PLAIN, KEYS, threshold=1)


def test_without_a_threshold_nothing_is_demanded() -> None:
    assert cosignature.require(PLAIN, (), threshold=0) == ()


def test_one_witness_under_two_names_counts_once() -> None:
    alias = Witness("another.example/name", ONE.private)
    twice = alias.cosign(ONE.cosign(PLAIN))
    with pytest.raises(errors.SignatureInvalid, match="by 1 of"):
        cosignature.require(twice, (*KEYS, alias.key), threshold=2)


def test_a_witness_that_signed_twice_is_refused() -> None:
    twice = ONE.cosign(ONE.cosign(PLAIN, time=NOW), time=NOW + 9)
    with pytest.raises(errors.InvalidInput, match="two signatures"):
        cosignature.verified(twice, KEYS)


def test_a_witness_that_the_trust_root_does_not_list_is_ignored() -> None:
    with pytest.raises(errors.SignatureInvalid, match="by 0 of"):
        cosignature.require(Witness("stranger").cosign(PLAIN), KEYS, threshold=1)


def test_the_right_name_with_another_key_is_ignored() -> None:
    assert cosignature.verified(Witness(ONE.name).cosign(PLAIN), KEYS) == ()


def test_a_false_cosignature_of_a_known_witness_spoils_the_note() -> None:
    other = ONE.cosign(LOG.checkpoint(4)).text.removeprefix(LOG.checkpoint(4).text)
    moved = dataclasses.replace(PLAIN, text=PLAIN.text + other)
    with pytest.raises(errors.SignatureInvalid, match="does not verify"):
        cosignature.verified(moved, KEYS)


def test_a_log_signature_of_the_witness_is_no_cosignature() -> None:
    raw = ONE.key.key_id + ONE.private.sign(PLAIN.body.encode())
    line = note.signature_line(ONE.key, base64.b64encode(raw).decode())
    with pytest.raises(errors.InvalidInput):
        cosignature.verified(dataclasses.replace(PLAIN, text=PLAIN.text + line), KEYS)


def test_a_cosignature_from_the_future_does_not_count() -> None:
    early = ONE.cosign(PLAIN, time=NOW + cosignature.SKEW_S + 1)
    with pytest.raises(errors.SignatureInvalid, match="in the future"):
        cosignature.require(early, KEYS, threshold=1, now=NOW)
    in_time = ONE.cosign(PLAIN, time=NOW + cosignature.SKEW_S)
    assert cosignature.require(in_time, KEYS, threshold=1, now=NOW)


def test_a_frozen_view_is_refused_where_the_trust_root_limits_its_age() -> None:
    seen = TWO.cosign(ONE.cosign(PLAIN, time=NOW), time=NOW + 50)
    assert cosignature.require(seen, KEYS, threshold=2, now=NOW + 60, max_age_s=60)
    with pytest.raises(errors.SignatureInvalid, match="old view"):
        cosignature.require(seen, KEYS, threshold=2, now=NOW + 61, max_age_s=60)
    assert cosignature.require(seen, KEYS, threshold=1, now=NOW + 61, max_age_s=60)
    assert cosignature.require(seen, KEYS, threshold=2, now=NOW + 61)


COSIGNED = ONE.cosign(PLAIN).text


@given(st.data())
def test_any_changed_character_takes_the_quorum_away(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(COSIGNED) - 1))
    put = data.draw(st.characters(codec="utf-8"))
    changed = COSIGNED[:at] + put + COSIGNED[at + 1 :]
    if changed == COSIGNED:
        return
    with pytest.raises((errors.InvalidInput, errors.SignatureInvalid)):
        believe(changed)


def believe(text: str) -> None:
    checkpoint = note.verify_checkpoint(text, LOG.name)
    cosignature.require(checkpoint, KEYS, threshold=1)
