"""Trust roots that follow one another, and every way in which one may not."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registry import errors
from registry.core import dsse, note, trustchain, trustroot
from registry.core.trustchain import Link
from registry.core.trustroot import Root, TrustRoot
from registry.trust import keys, sign
from registry.trust.keys import SigningKey

ADA, BEN, CLEO, EVE = (keys.generate_signing_key() for _ in range(4))
NAMES = {ADA: "ada", BEN: "ben", CLEO: "cleo", EVE: "eve"}
REGISTRY, ALICE, BOB = (keys.generate_signing_key() for _ in range(3))
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def holders(*who: SigningKey, threshold: int = 2) -> Root:
    return Root(threshold, tuple(dsse.signer(NAMES[key], key.public_pem) for key in who))


FIRST = TrustRoot(
    publishers=(dsse.signer("alice", ALICE.public_pem),),
    registry=dsse.signer("registry", REGISTRY.public_pem),
    log=note.LogKey("plimsoll.test/log", bytes(32)),
    version=1,
    expires="2027-06-30T00:00:00Z",
    root=holders(ADA, BEN),
)
SECOND = replace(
    FIRST,
    version=2,
    publishers=(*FIRST.publishers, dsse.signer("bob", BOB.public_pem)),
    root=holders(BEN, CLEO),
)
THIRD = replace(SECOND, version=3)


def signed(trust: TrustRoot, *by: SigningKey) -> Link:
    link = trustchain.draft(trust)
    for key in by:
        link = sign.sign_trust(link, key)
    return link


ONE = signed(FIRST, ADA, BEN)
TWO = signed(SECOND, ADA, BEN, CLEO)
THREE = signed(THIRD, BEN, CLEO)


def file(*links: Link) -> bytes:
    return trustchain.encode(links)


def refusal(offered: bytes, held: bytes = b"") -> str:
    with pytest.raises(errors.TrustRootRefused) as refused:
        trustchain.read(offered, held)
    return refused.value.detail


def names(trust: TrustRoot) -> list[str]:
    return [signer.name for signer in trust.publishers]


def test_a_first_version_is_signed_by_its_own_keys() -> None:
    assert names(trustchain.read(file(ONE))) == ["alice"]
    assert "needs 2 signatures by its own keys, and has 1: ada" in refusal(file(signed(FIRST, ADA)))


def test_a_rotation_is_signed_by_the_old_keys_and_by_the_new() -> None:
    found = trustchain.read(file(ONE, TWO))
    assert (found.version, names(found)) == (2, ["alice", "bob"])
    assert "by the keys of version 1, and has 1" in refusal(file(ONE, signed(SECOND, BEN, CLEO)))
    assert "by its own keys, and has 1: ben" in refusal(file(ONE, signed(SECOND, ADA, BEN)))


def test_who_accepted_one_version_accepts_the_next_alone_or_all_of_them() -> None:
    assert trustchain.read(file(TWO), file(ONE)).version == 2
    assert trustchain.read(file(ONE, TWO, THREE), file(ONE)).version == 3
    assert trustchain.read(file(TWO, THREE), file(ONE, TWO)).version == 3


def test_what_was_accepted_stays_accepted() -> None:
    assert trustchain.read(file(ONE, TWO), file(ONE, TWO)).version == 2
    assert trustchain.read(file(TWO), file(ONE, TWO)).version == 2


def test_a_rollback_to_a_lower_version_is_refused() -> None:
    assert "version 1 is older than version 2" in refusal(file(ONE), file(ONE, TWO))


def test_a_version_left_out_is_refused() -> None:
    assert "version 3 cannot follow version 1" in refusal(file(THREE), file(ONE))
    assert "version 3 cannot follow version 1" in refusal(file(ONE, THREE))


def test_the_same_version_twice_in_one_file_is_refused() -> None:
    assert "version 1 cannot follow version 1" in refusal(file(ONE, ONE))


def test_another_root_of_the_same_version_is_refused() -> None:
    other = signed(replace(SECOND, publishers=()), ADA, BEN, CLEO)
    assert "two trust roots of version 2" in refusal(file(ONE, other), file(ONE, TWO))


def test_mixing_the_versions_of_two_installations_is_refused() -> None:
    theirs = replace(FIRST, root=holders(EVE, threshold=1))
    start = signed(theirs, EVE)
    assert "by the keys of version 1, and has 0" in refusal(file(start, TWO))
    follows = signed(replace(theirs, version=2), EVE)
    assert "by the keys of version 1, and has 0" in refusal(file(follows), file(ONE))
    assert "two trust roots of version 1" in refusal(file(start, follows), file(ONE))


def test_one_key_that_signs_twice_counts_once() -> None:
    once = signed(FIRST, ADA)
    again = replace(once, signatures=(*once.signatures, *signed(FIRST, ADA).signatures))
    assert len(again.signatures) == 2
    assert "has 1: ada" in refusal(file(again))


def test_a_signature_by_a_key_that_the_root_does_not_list_does_not_count() -> None:
    assert "has 1: ada" in refusal(file(signed(FIRST, ADA, EVE)))


def test_a_signature_under_the_hint_of_another_does_not_count() -> None:
    by_eve = signed(FIRST, EVE).signatures[0][1]
    forged = replace(signed(FIRST, ADA), signatures=((BEN.hint, by_eve),))
    assert "has 0" in refusal(file(forged))


def test_one_changed_byte_of_what_was_signed_is_refused() -> None:
    forged = replace(ONE, payload=ONE.payload.replace(b"2027-06-30", b"2099-06-30"))
    assert "has 0" in refusal(file(forged))


def test_a_trust_roots_signature_is_no_signature_of_a_statement() -> None:
    """The payload type is part of what is signed."""
    signature = ADA.sign(dsse.pae(ONE.payload))
    forged = replace(ONE, signatures=((ADA.hint, signature), *signed(FIRST, BEN).signatures))
    assert "has 1: ben" in refusal(file(forged))


def test_a_plain_file_is_believed_as_it_is_and_may_become_a_signed_one() -> None:
    plain = json.dumps(replace(FIRST, root=None, version=0, expires="").document()).encode()
    assert trustchain.read(plain).version == 0
    assert trustchain.read(plain, plain).version == 0
    assert trustchain.read(file(ONE), plain).version == 1


def test_a_plain_file_after_a_signed_one_is_refused() -> None:
    plain = json.dumps(FIRST.document()).encode()
    assert "is not signed, and version 1 was accepted" in refusal(plain, file(ONE))


def test_a_root_is_current_until_the_moment_it_expires() -> None:
    last = datetime(2027, 6, 29, 23, 59, 59, tzinfo=UTC)
    trustchain.require_current(FIRST, NOW)
    trustchain.require_current(FIRST, last)
    with pytest.raises(errors.TrustRootExpired, match="expired at 2027-06-30"):
        trustchain.require_current(FIRST, datetime(2027, 6, 30, tzinfo=UTC))


def test_a_root_without_an_end_never_expires() -> None:
    late = datetime(9999, 1, 1, tzinfo=UTC)
    with pytest.raises(errors.TrustRootExpired):
        trustchain.require_current(FIRST, late)
    endless = replace(FIRST, expires="")
    trustchain.require_current(endless, late)
    assert not endless.expires


def test_whoever_withholds_new_versions_gains_time_only_until_the_old_one_expires() -> None:
    """Freeze: the newest version is kept back, so the host goes on with the one it has."""
    frozen = trustchain.read(file(ONE), file(ONE))
    with pytest.raises(errors.TrustRootExpired):
        trustchain.require_current(frozen, datetime(2027, 7, 1, tzinfo=UTC))


def test_an_expired_version_in_the_middle_of_the_chain_is_a_step_all_the_same() -> None:
    old = replace(FIRST, expires="2020-01-01T00:00:00Z")
    found = trustchain.read(file(signed(old, ADA, BEN), TWO))
    trustchain.require_current(found, NOW)
    assert found.version == 2


def without(name: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(ONE.payload)
    del document[name]
    return document


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        (b'{"versions": []}', "has 0 versions"),
        (b'{"versions": [], "publishers": []}', "'versions' and nothing else"),
        (b'{"versions": [{}]}', "'payloadType' must be a string"),
        (b'{"versions": ["x"]}', "must be an object"),
    ],
)
def test_a_broken_signed_file_is_named(offered: bytes, said: str) -> None:
    with pytest.raises(errors.InvalidInput, match=said):
        trustchain.read(offered)


@pytest.mark.parametrize("name", ["root", "version"])
def test_a_signed_root_needs_its_version_and_its_keys(name: str) -> None:
    lacking = trustroot.parse(json.dumps(without(name)))
    with pytest.raises(errors.InvalidInput, match="needs a version and root keys"):
        trustchain.draft(lacking)


def root_of(*who: tuple[str, SigningKey], threshold: int) -> bytes:
    listed = [{"name": name, "publicKey": key.public_pem} for name, key in who]
    return json.dumps(
        FIRST.document() | {"root": {"threshold": threshold, "keys": listed}}
    ).encode()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (root_of(("ada", ADA), threshold=0), "asks for 0 of 1"),
        (root_of(("ada", ADA), threshold=2), "asks for 2 of 1"),
        (root_of(threshold=1), "asks for 1 of 0"),
        (root_of(("ada", ADA), ("ben", ADA), threshold=2), "twice"),
        (root_of(("ada", ADA), ("ada", BEN), threshold=2), "twice"),
        (root_of(("ada", ALICE), threshold=1), "root key 'ada' is also the key of 'alice'"),
    ],
)
def test_root_keys_that_could_not_do_their_work_are_refused(document: bytes, said: str) -> None:
    with pytest.raises(errors.InvalidInput, match=said):
        trustroot.parse(document)
