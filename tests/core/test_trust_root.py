"""The trust root as a file: what it may say, and what contradicts itself."""

import base64
import json
from collections.abc import Callable

import pytest

from registry import errors
from registry.core import dsse, note, trustroot
from registry.trust import keys

REGISTRY = keys.generate_signing_key()
ALICE, BOB = keys.generate_signing_key(), keys.generate_signing_key()
LOG = base64.b64encode(bytes(range(32))).decode()

OLD = {
    "publishers": [{"name": "alice", "publicKey": ALICE.public_pem}],
    "registry": {"name": "registry", "publicKey": REGISTRY.public_pem},
    "log": {"origin": "plimsoll.test/log", "publicKey": LOG},
}
FULL = OLD | {
    "approvers": [{"name": "bob", "publicKey": BOB.public_pem, "since": 10, "until": 20}],
    "testers": [{"name": "bob", "publicKey": BOB.public_pem}],
    "reconcilers": [{"name": "bob", "publicKey": BOB.public_pem}],
    "witnesses": [{"name": "harbour", "publicKey": LOG}],
    "witnessThreshold": 1,
    "version": 3,
    "expires": "2027-06-30T00:00:00Z",
}


def test_a_file_of_the_first_days_trusts_its_publishers_and_nobody_else() -> None:
    found = trustroot.parse(json.dumps(OLD))
    assert [signer.name for signer in found.publishers] == ["alice"]
    assert (found.approvers, found.testers, found.reconcilers, found.witnesses) == ((), (), (), ())
    assert (found.version, found.expires, found.witness_threshold) == (0, "", 0)
    assert found.document() == OLD


def test_a_full_file_is_written_as_it_was_read() -> None:
    found = trustroot.parse(json.dumps(FULL))
    assert found.document() == FULL
    assert trustroot.parse(json.dumps(found.document())).document() == FULL


def test_a_key_counts_from_its_first_entry_to_the_one_before_its_last() -> None:
    (bob,) = trustroot.parse(json.dumps(FULL)).approvers
    counted = [index for index in (9, 10, 19, 20) if dsse.valid_at([bob], index)]
    assert counted == [10, 19]


def test_a_witness_has_the_key_id_of_the_cosignature_specification() -> None:
    """C2SP tlog-cosignature: SHA-256(name || 0x0A || 0x04 || key), its first four bytes."""
    (witness,) = trustroot.parse(json.dumps(FULL)).witnesses
    assert witness.key_id.hex() == "723a6d51"
    assert witness.key_id != note.LogKey(witness.name, witness.public_key).key_id


def test_one_person_may_have_two_keys() -> None:
    two = OLD | {
        "publishers": [
            {"name": "alice", "publicKey": ALICE.public_pem},
            {"name": "alice", "publicKey": BOB.public_pem},
        ]
    }
    assert [signer.name for signer in trustroot.parse(json.dumps(two)).publishers] == ["alice"] * 2


def twice(document: dict[str, object]) -> None:
    entry = {"name": "bob", "publicKey": BOB.public_pem}
    document["approvers"] = [entry, entry]


def two_names(document: dict[str, object]) -> None:
    document["approvers"] = [{"name": "carol", "publicKey": ALICE.public_pem}]


def too_many(document: dict[str, object]) -> None:
    document["witnessThreshold"] = 2


def same_witness(document: dict[str, object]) -> None:
    document["witnesses"] = [{"name": name, "publicKey": LOG} for name in ("a", "b")]


def no_time(document: dict[str, object]) -> None:
    document["expires"] = "next summer"


def no_zone(document: dict[str, object]) -> None:
    document["expires"] = "2027-06-30T00:00:00"


def negative(document: dict[str, object]) -> None:
    document["version"] = -1


def surprise(document: dict[str, object]) -> None:
    document["admins"] = []


def short(document: dict[str, object]) -> None:
    document["witnesses"] = [{"name": "harbour", "publicKey": "AAAA"}]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (twice, "one key twice"),
        (two_names, "'alice' and 'carol' are the same key"),
        (too_many, "asks for 2 witnesses and names 1"),
        (same_witness, "one witness's key twice"),
        (no_time, "'next summer' is not a time"),
        (no_zone, "does not say its time zone"),
        (negative, "less than nothing"),
        (surprise, "unknown field 'admins'"),
        (short, "not 32 bytes"),
    ],
)
def test_a_root_that_contradicts_itself_is_refused(
    spoil: Callable[[dict[str, object]], None], said: str
) -> None:
    document: dict[str, object] = dict(FULL)
    spoil(document)
    with pytest.raises(errors.InvalidInput, match=said):
        trustroot.parse(json.dumps(document))
