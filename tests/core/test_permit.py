"""What a permit says, for whom, and for how long."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import errors
from registry.core import canonical, dsse, permit
from registry.core.envelope import Wanted
from registry.core.permit import Claim, Permit
from registry.trust import keys

RECONCILER = keys.generate_signing_key()
TRUSTED = (dsse.signer("reconciler", RECONCILER.public_pem),)
WANTED = Wanted("digits", 1, "sha256:" + "1" * 64)
CLAIM = Claim("edge-1", "production/digits", WANTED)
DECIDED = datetime(2026, 11, 28, 9, tzinfo=UTC)
HONEST = Permit(
    CLAIM,
    commit="c" * 40,
    policies="sha256:" + "2" * 64,
    decided_at=permit.stamp(DECIDED),
    expires=permit.stamp(DECIDED + timedelta(days=7)),
    serial="7d4c",
)


def signed(payload: bytes, key: keys.SigningKey = RECONCILER) -> dict[str, canonical.Json]:
    return dsse.bundle(payload, key.sign(dsse.pae(payload)), hint=key.hint)


def test_a_permit_comes_back_as_it_was_signed() -> None:
    found = permit.verify(signed(permit.encode(HONEST)), TRUSTED)
    assert (found.permit, found.reconciler) == (HONEST, "reconciler")
    permit.require(found.permit, CLAIM)
    permit.require_current(found.permit, DECIDED)


def test_a_permit_by_a_key_that_is_not_in_the_trust_root_is_refused() -> None:
    with pytest.raises(errors.SignatureInvalid, match="unknown key"):
        permit.verify(signed(permit.encode(HONEST), keys.generate_signing_key()), TRUSTED)


def test_no_listed_reconciler_means_no_permit_counts() -> None:
    with pytest.raises(errors.SignatureInvalid, match="unknown key"):
        permit.verify(signed(permit.encode(HONEST)), ())


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(CLAIM, host="edge-2"), "host 'edge-1', this is host 'edge-2'"),
        (replace(CLAIM, deployment="production/other"), "this is deployment 'production/other'"),
        (replace(CLAIM, wanted=replace(WANTED, model="fraud")), "this is model 'fraud'"),
        (replace(CLAIM, wanted=replace(WANTED, version=2)), "this is version '2'"),
        (replace(CLAIM, wanted=replace(WANTED, digest="sha256:" + "3" * 64)), "sha256:333"),
    ],
    ids=["host", "deployment", "model", "version", "digest"],
)
def test_a_permit_cannot_be_passed_on(other: Claim, said: str) -> None:
    with pytest.raises(errors.PermitRefused, match=said) as refused:
        permit.require(HONEST, other)
    assert refused.value.code == "permit_refused"


def test_a_permit_ends_at_its_very_second_and_one_without_an_end_never() -> None:
    end = permit.when(HONEST.expires)
    permit.require_current(HONEST, end - timedelta(seconds=1))
    with pytest.raises(errors.PermitExpired, match="2026-12-05T09:00:00Z"):
        permit.require_current(HONEST, end)
    permit.require_current(replace(HONEST, expires=""), end + timedelta(days=9999))


@pytest.mark.parametrize(
    "field", ["host", "model", "digest", "policies", "decidedAt", "expires", "serial"]
)
def test_a_permit_without_a_field_is_refused(field: str) -> None:
    document = json.loads(permit.encode(HONEST))
    del document["predicate"][field]
    with pytest.raises(errors.InvalidInput):
        permit.verify(signed(canonical.encode(document)), TRUSTED)


def test_a_permit_that_says_more_than_a_permit_may_is_refused() -> None:
    document = json.loads(permit.encode(HONEST))
    document["predicate"]["also"] = "any other model"
    with pytest.raises(errors.PermitRefused, match="says more"):
        permit.verify(signed(canonical.encode(document)), TRUSTED)


def test_a_statement_of_another_kind_is_no_permit() -> None:
    document = json.loads(permit.encode(HONEST))
    document["predicateType"] = "https://plimsoll.dev/version/v1"
    with pytest.raises(errors.PermitRefused, match="another type"):
        permit.verify(signed(canonical.encode(document)), TRUSTED)


@pytest.mark.parametrize(
    "text", ["tomorrow", "2026-11-28", "2026-11-28T09:00:00+00:00", "2026-1-8T9:0:0Z"]
)
def test_a_time_that_is_not_rfc_3339_in_utc_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidInput, match=r"time|written"):
        permit.verify(signed(permit.encode(replace(HONEST, expires=text))), TRUSTED)


@given(st.data())
def test_no_flipped_bit_is_accepted(data: st.DataObject) -> None:
    payload = bytearray(permit.encode(HONEST))
    bundle = signed(bytes(payload))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= 1 << data.draw(st.integers(0, 7))
    changed = dsse.bundle(bytes(payload), b"", hint=RECONCILER.hint)
    bundle["dsseEnvelope"]["payload"] = changed["dsseEnvelope"]["payload"]  # type: ignore[index,call-overload]
    with pytest.raises((errors.IntegrityError, errors.InvalidInput)):
        permit.verify(bundle, TRUSTED)
