"""Which evidence counts: forged, replayed, revoked, one's own, twice, out of order."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.core import canonical, envelope, evidence, explanation, manifest, trustroot
from registry.core import evidence_documents as documents
from registry.core.envelope import Refused, Verified, Wanted
from registry.core.evidence import Kind
from registry.errors import InvalidInput
from registry.trust import sign
from tests.core import evidenced
from tests.core.evidenced import (
    PEOPLE,
    TRUST,
    WANTED,
    Bundle,
    approval,
    explained,
    id_of,
    leaf_of,
    people,
    provenance,
    result,
    revocation,
    sent,
    signature,
)
from tests.core.publication import Publication

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def kinds(found: Verified) -> list[str]:
    return [f"{one.kind} by {one.signer}" for one in found.evidence]


def test_evidence_of_every_kind_counts() -> None:
    found = sent(
        signature("bob"),
        approval("carol"),
        result("lab"),
        result("robot", failed=["golden"]),
        provenance("alice"),
        explained("lab"),
    ).counted()
    assert kinds(found) == [
        "signature by bob",
        "approval by carol",
        "test-result by lab",
        "test-result by robot",
        "provenance by alice",
        "explanation by lab",
    ]
    assert [one.passed for one in found.evidence] == [None, None, True, False, None, None]
    assert found.signers == ("alice", "bob")
    assert found.ignored == ()
    assert found.evidence[1].detail == {"reason": "looks right"}
    assert found.evidence[5].detail == explanation.without_pictures(evidenced.EXPLAINED)
    assert found.evidence[4].detail["builder"] == "https://ci.example.org/train"
    assert [one.log_index for one in found.evidence] == [2, 3, 4, 5, 6, 7]


def test_a_version_without_evidence_has_its_publisher_as_its_only_signer() -> None:
    found = sent().counted()
    assert (found.signers, found.evidence, found.size) == (("alice",), (), 12)


def test_the_licence_is_the_one_that_the_digest_covers() -> None:
    published = Publication(evidenced.CONTENTS, publisher=PEOPLE["alice"], licence="MIT")
    config = canonical.encode({"descriptor": {"licenses": ["Apache-2.0"]}})
    assert manifest.licence(config) == "Apache-2.0"
    said = []
    for sent_along in (published.built.config, config, b""):
        sent_ = published.envelope(config=sent_along)
        found = envelope.verify(sent_, published.trust, published.wanted)
        assert isinstance(found, Verified)
        said.append(found.licence)
    assert said == ["MIT", "", ""]


def test_evidence_is_as_old_as_its_log_entry() -> None:
    [one] = sent(approval("carol", at="2026-11-23T10:00:30Z")).counted().evidence
    assert one.at == "2026-11-23T10:00:00.000Z"


def test_entering_an_old_statement_late_does_not_make_it_younger() -> None:
    old = result("lab", at="2026-08-01T00:00:00Z")
    [one] = sent(old).counted().evidence
    assert one.at == "2026-08-01T00:00:00.000Z"


def test_entering_a_statement_again_does_not_make_it_younger() -> None:
    bundle = signature("bob")
    [one] = sent(bundle, bundle).counted().evidence
    assert (one.log_index, one.at) == (2, "2026-11-23T10:00:00.000Z")


@pytest.mark.parametrize(
    "bundle",
    [
        signature("carol"),
        approval("alice"),
        approval("lab"),
        result("carol"),
        provenance("robot"),
        explained("carol"),
        approval("mallory"),
        revocation("mallory"),
    ],
)
def test_evidence_by_somebody_who_may_not_make_it_never_counts(bundle: Bundle) -> None:
    found = sent(bundle).counted()
    assert found.evidence == ()
    assert "unknown key" in found.ignored[0]


def test_an_empty_list_of_approvers_lets_nobody_approve() -> None:
    nobody = replace(TRUST, approvers=())
    assert sent(approval("carol")).counted(nobody).evidence == ()


def test_an_approval_of_another_digest_never_counts() -> None:
    other = Wanted("digits", 1, "sha256:" + "1" * 64)
    bundle = approval("carol", about=other)
    found = sent(bundle, leaves=[leaf_of(bundle, 0)]).counted()
    assert found.evidence == ()
    assert "about something else" in found.ignored[0]


@pytest.mark.parametrize("about", [replace(WANTED, model="fraud"), replace(WANTED, version=2)])
def test_an_approval_of_the_same_bytes_as_another_version_never_counts(about: Wanted) -> None:
    assert sent(approval("carol", about=about)).counted().evidence == ()


def test_a_signature_over_other_files_is_no_further_signature() -> None:
    other = Publication({"model.onnx": b"other"}, publisher=PEOPLE["alice"])
    found = sent(signature("bob", other)).counted()
    assert found.signers == ("alice",)
    assert "is not covered by the signature" in found.ignored[0]


def test_evidence_that_is_not_in_the_log_never_counts() -> None:
    logged, unlogged = sent(approval("carol")), sent(approval("dave"))
    logged.came[0]["bundle"] = unlogged.came[0]["bundle"]
    found = logged.counted()
    assert found.evidence == ()
    assert "is not that of approval" in found.ignored[0]


def test_evidence_with_a_proof_of_another_log_never_counts() -> None:
    here, elsewhere = sent(approval("carol")), sent(approval("carol"), approval("dave"))
    here.came[0]["proof"] = elsewhere.came[0]["proof"]
    found = here.counted()
    assert found.evidence == ()
    assert "log inclusion proof" in found.ignored[0]


def test_a_log_entry_of_another_kind_does_not_carry_an_approval() -> None:
    bundle = approval("carol")
    lie = leaf_of(bundle, 0).replace(b'"approved"', b'"attested"')
    assert sent(bundle, leaves=[lie]).counted().evidence == ()


def test_the_publisher_cannot_approve_under_their_own_name() -> None:
    both = replace(TRUST, approvers=people("alice", "carol"))
    found = sent(approval("alice"), approval("carol")).counted(both)
    assert kinds(found) == ["approval by carol"]
    assert "same person or key" in found.ignored[0]


def test_the_publisher_cannot_approve_with_a_second_key() -> None:
    second = replace(people("dave")[0], name="alice")
    both = replace(TRUST, approvers=(second, *people("carol")))
    assert kinds(sent(approval("dave")).counted(both)) == []


def test_the_publisher_cannot_approve_under_a_second_name() -> None:
    """No trust root that can be read has one key twice; who builds one by hand gains nothing."""
    second = replace(people("alice")[0], name="alison")
    both = replace(TRUST, approvers=(second, *people("carol")))
    assert kinds(sent(approval("alice"), approval("carol")).counted(both)) == ["approval by carol"]
    with pytest.raises(InvalidInput, match="same key"):
        trustroot.parse(canonical.encode(both.document()))


def test_the_same_person_approves_once_however_often_they_sign() -> None:
    found = sent(approval("carol"), approval("carol", reason="again")).counted()
    assert [one.detail["reason"] for one in found.evidence] == ["again"]


def test_the_publisher_signing_again_is_no_further_signer() -> None:
    assert sent(signature("alice")).counted().signers == ("alice",)


def test_a_revoked_approval_does_not_count() -> None:
    first = approval("carol")
    found = sent(first, approval("dave"), revocation("carol", first)).counted()
    assert kinds(found) == ["approval by dave", "revocation by carol"]
    assert "was revoked by 'carol': a mistake" in found.ignored[0]


def test_any_approver_may_revoke_an_approval_and_no_publisher() -> None:
    first = approval("carol")
    assert kinds(sent(first, revocation("dave", first)).counted()) == ["revocation by dave"]
    assert "approval by carol" in kinds(sent(first, revocation("alice", first)).counted())


def test_a_revoked_approval_cannot_be_entered_again() -> None:
    first = approval("carol")
    assert kinds(sent(first, revocation("carol", first), first).counted()) == [
        "revocation by carol"
    ]


def test_a_revoked_approval_does_not_come_back_with_its_signature_rewritten() -> None:
    """(r, s) and (r, n - s) are both signatures of the same words by the same key."""
    first = approval("carol")
    twin = json.loads(json.dumps(first))
    place = twin["dsseEnvelope"]["signatures"][0]
    r, s = decode_dss_signature(base64.b64decode(place["sig"]))
    place["sig"] = base64.b64encode(encode_dss_signature(r, P256_ORDER - s)).decode()
    assert kinds(sent(twin).counted()) == ["approval by carol"]
    found = sent(first, revocation("carol", first), twin).counted()
    assert kinds(found) == ["revocation by carol"]


def test_who_changed_their_mind_approves_with_a_new_statement() -> None:
    first = approval("carol")
    again = approval("carol", at="2026-11-23T09:30:00Z")
    found = sent(first, revocation("carol", first), again).counted()
    assert "approval by carol" in kinds(found)


def test_a_revocation_does_not_reach_what_came_after_it() -> None:
    first = approval("carol")
    found = sent(revocation("carol", first), first).counted()
    assert kinds(found) == ["approval by carol"]
    assert "nothing before it in the log" in found.ignored[0]


def test_a_quarantined_version_is_refused() -> None:
    found = sent(approval("carol"), revocation("dave", reason="leaks data")).verify()
    assert isinstance(found, Refused)
    assert found.code == "quarantined"
    assert "leaks data" in found.reason


@pytest.mark.parametrize("by", ["lab", "robot"])
def test_who_only_tests_cannot_quarantine(by: str) -> None:
    found = sent(revocation(by)).counted()
    assert "by a publisher or an approver" in found.ignored[0]


def test_a_quarantine_can_be_lifted_by_revoking_it() -> None:
    quarantine = revocation("dave")
    found = sent(quarantine, revocation("carol", quarantine)).counted()
    assert kinds(found) == ["revocation by carol"]


def test_a_publisher_cannot_lift_the_quarantine_of_an_approver() -> None:
    quarantine = revocation("dave")
    found = sent(quarantine, revocation("alice", quarantine)).verify()
    assert isinstance(found, Refused)


def test_the_order_in_which_evidence_travels_does_not_matter() -> None:
    first = approval("carol")
    honest = sent(first, approval("dave"), revocation("carol", first), signature("bob"))
    forwards = honest.counted()
    honest.came.reverse()
    assert honest.counted().evidence == forwards.evidence


def test_a_key_that_ended_counts_for_what_the_log_had_before() -> None:
    until = replace(TRUST, approvers=(replace(people("carol")[0], until=3), *people("dave")))
    bundle = approval("carol")
    assert kinds(sent(bundle).counted(until)) == ["approval by carol"]
    assert kinds(sent(approval("dave"), bundle).counted(until)) == ["approval by dave"]


JUNK: list[dict[str, canonical.Json]] = [
    {},
    {"bundle": {}, "proof": {}},
    {"bundle": [], "proof": {"index": 2, "entry": "", "hashes": []}},
    {"bundle": approval("carol"), "proof": {"index": -1, "entry": "", "hashes": []}},
    {"bundle": approval("carol"), "proof": {"index": 2, "entry": "!", "hashes": []}},
    {"bundle": approval("carol"), "proof": {"index": 2, "entry": "e30=", "hashes": [3]}},
]


def test_junk_among_evidence_neither_counts_nor_gets_in_the_way() -> None:
    honest = sent(approval("carol"))
    honest.came[:0] = JUNK
    found = honest.counted()
    assert kinds(found) == ["approval by carol"]
    assert len(found.ignored) == len(JUNK)


@pytest.mark.parametrize(
    "predicate",
    [
        {"approvedAt": "yesterday"},
        {"approvedAt": "2026-11-23T09:00:00"},
        {"approvedAt": "0001-01-01T00:00:00+23:59"},
        {"approvedAt": 5},
        {"reason": "x" * 2001},
        {"reason": None},
        {"unless": "it is Friday"},
        {"version": True},
        {"version": 1.0},
    ],
)
def test_an_approval_that_is_not_what_approvals_are_never_counts(
    predicate: dict[str, canonical.Json],
) -> None:
    statement = canonical.decode_object(
        documents.approval(WANTED, reason="", at=evidenced.AT), what="statement"
    )
    statement["predicate"] = statement["predicate"] | predicate  # type: ignore[operator]
    bundle = sign.sign_statement(canonical.encode(statement), PEOPLE["carol"])
    found = sent(bundle).counted()
    assert (found.evidence, len(found.ignored)) == ((), 1)


def test_a_predicate_we_have_no_rules_for_never_counts() -> None:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": WANTED.digest[7:]}}],
        "predicateType": "https://example.org/horoscope/v1",
        "predicate": {},
    }
    bundle = sign.sign_statement(canonical.encode(statement), PEOPLE["carol"])
    with pytest.raises(InvalidInput, match="unknown predicate type"):
        evidence.kind(bundle)


EVERYTHING = sent(
    signature("bob"), approval("carol"), approval("dave"), result("lab"), provenance("bob")
)
TRAVELLING = EVERYTHING.travelling()
HONEST = EVERYTHING.counted()


@given(st.data())
@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_flipped_bit_makes_anything_count_that_was_not_signed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(TRAVELLING) - 1))
    changed = bytearray(TRAVELLING)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    found = envelope.verify(bytes(changed), TRUST, WANTED)
    if isinstance(found, Verified):
        nothing: dict[str, Any] = {"evidence": (), "signers": (), "ignored": (), "shown": ()}
        assert replace(found, **nothing) == replace(HONEST, **nothing)
        assert found.shown <= HONEST.shown
        honest = {one.id: one for one in HONEST.evidence}
        assert all(honest[one.id] == one for one in found.evidence)
        assert set(found.signers) <= set(HONEST.signers)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_flipped_bit_of_a_bundle_or_its_proof_is_the_end_of_that_item(
    data: st.DataObject,
) -> None:
    """Of the signed words, the signature, the log's leaf and its proof: none may change."""
    came = json.loads(canonical.encode(EVERYTHING.came))
    item = came[data.draw(st.integers(0, 4))]
    envelope_, proof = item["bundle"]["dsseEnvelope"], item["proof"]
    places: list[tuple[Any, Any]] = [
        (envelope_, "payload"),
        (envelope_["signatures"][0], "sig"),
        (proof, "entry"),
    ]
    places += [(proof["hashes"], number) for number in range(len(proof["hashes"]))]
    holder, name = data.draw(st.sampled_from(places))
    raw = bytearray(base64.b64decode(holder[name]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    holder[name] = base64.b64encode(raw).decode()
    found = evidenced.Sent(EVERYTHING.parts, came).counted()
    assert len(found.evidence) == len(HONEST.evidence) - 1
    assert len(found.ignored) == 1


def test_what_a_known_signer_signed_and_was_spoilt_was_not_shown() -> None:
    spoilt = sent(approval("carol"))
    signatures = json.loads(canonical.encode(spoilt.came[0]))
    signatures["bundle"]["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    spoilt.came[0] = signatures
    assert spoilt.counted().shown == frozenset()


def test_what_a_stranger_signed_was_shown_and_does_not_count() -> None:
    found = sent(approval("mallory")).counted()
    assert (found.evidence, found.shown) == ((), frozenset({2}))


def test_a_strangers_name_on_other_words_than_the_log_has_was_not_shown() -> None:
    honest, other = sent(revocation("dave")), sent(approval("mallory"))
    honest.came[0]["bundle"] = other.came[0]["bundle"]
    found = honest.counted()
    assert found.shown == frozenset()


def test_kinds_are_named_as_policies_name_them() -> None:
    assert [*Kind] == [
        "signature",
        "approval",
        "test-result",
        "provenance",
        "revocation",
        "explanation",
    ]
    assert id_of(approval("carol")).startswith("sha256:")
