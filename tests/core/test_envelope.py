"""What a host believes, and what it does not."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.core import entries, envelope, note
from registry.core.envelope import Refused, Verified
from registry.core.trustroot import TrustRoot
from registry.trust import keys, sign
from tests.core.publication import ORIGIN, Publication

HONEST = Publication({"model.onnx": b"weights", "labels.txt": b"0 1 2"})
TRUST = HONEST.trust
SENT = HONEST.envelope()


def refusal(found: Verified | Refused) -> str:
    assert isinstance(found, Refused)
    return f"{found.code}: {found.reason}"


def test_an_honest_envelope_is_verified() -> None:
    found = envelope.verify(SENT, TRUST, HONEST.wanted)
    assert isinstance(found, Verified)
    assert {file.path for file in found.files} == {"model.onnx", "labels.txt"}
    assert (found.publisher, found.log_index, found.format) == ("alice", 3, "onnx")
    assert found.checkpoint.size == 8


def test_another_digest_than_the_pinned_one_is_refused() -> None:
    wanted = envelope.Wanted("digits", 1, "sha256:" + "0" * 64)
    assert "pinned is sha256:0000" in refusal(envelope.verify(SENT, TRUST, wanted))


def test_a_model_served_under_another_name_is_refused() -> None:
    wanted = envelope.Wanted("fraud", 1, HONEST.wanted.digest)
    assert "vouches for digits@1, wanted is fraud@1" in refusal(
        envelope.verify(SENT, TRUST, wanted)
    )


def test_an_older_version_served_as_a_newer_one_is_refused() -> None:
    wanted = envelope.Wanted("digits", 2, HONEST.wanted.digest)
    assert "vouches for digits@1" in refusal(envelope.verify(SENT, TRUST, wanted))


def test_a_publisher_nobody_trusts_is_refused() -> None:
    stranger = keys.generate_signing_key()
    lie = HONEST.envelope(publisher_bundle=sign.sign_model("digits", HONEST.files, stranger))
    assert "unknown key" in refusal(envelope.verify(lie, TRUST, HONEST.wanted))


def test_no_trusted_publisher_means_nothing_is_verified() -> None:
    nobody = TrustRoot((), TRUST.registry, TRUST.log)
    assert "unknown key" in refusal(envelope.verify(SENT, nobody, HONEST.wanted))


def test_a_signature_over_other_files_is_refused() -> None:
    other = Publication({"model.onnx": b"other", "labels.txt": b"0 1 2"})
    lie = HONEST.envelope(publisher_bundle=sign.sign_model("digits", other.files, HONEST.publisher))
    found = envelope.verify(lie, TRUST, HONEST.wanted)
    assert "file 'model.onnx' is not the one that was signed" in refusal(found)


def test_a_file_the_publisher_did_not_sign_is_refused() -> None:
    fewer = [file for file in HONEST.files if file.path == "model.onnx"]
    lie = HONEST.envelope(publisher_bundle=sign.sign_model("digits", fewer, HONEST.publisher))
    assert "'labels.txt' is not covered" in refusal(envelope.verify(lie, TRUST, HONEST.wanted))


def test_another_registry_is_refused() -> None:
    impostor = keys.generate_signing_key()
    lie = HONEST.envelope(registry_bundle=sign.sign_version(HONEST.said, impostor))
    assert "unknown key" in refusal(envelope.verify(lie, TRUST, HONEST.wanted))


def test_a_version_that_is_not_in_the_log_is_refused() -> None:
    entry = entries.Entry(
        time="2026-11-23T08:00:00Z", kind=entries.Kind.PUBLISHED, actor="a", model="digits"
    )
    lie = HONEST.envelope(leaf=entries.encode(entry))
    assert "does not reach the signed root" in refusal(envelope.verify(lie, TRUST, HONEST.wanted))


def test_a_true_log_entry_about_something_else_is_refused() -> None:
    other = Publication(
        {"model.onnx": b"other"},
        publisher=HONEST.publisher,
        registry=HONEST.registry,
        log=HONEST.log,
    ).parts()
    lie = HONEST.envelope(
        leaf=other.leaf, proof=other.proof, index=other.index, checkpoint=other.checkpoint
    )
    found = envelope.verify(lie, TRUST, HONEST.wanted)
    assert "not the publication of digits@1" in refusal(found)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    root = note.verify_checkpoint(HONEST.parts().checkpoint, TRUST.log).root
    other = sign.sign_checkpoint(ORIGIN, 8, root, keys.generate_log_key())
    found = envelope.verify(HONEST.envelope(checkpoint=other), TRUST, HONEST.wanted)
    assert "no signature by log" in refusal(found)


def test_a_path_that_leaves_the_folder_is_refused() -> None:
    evil = HONEST.built.manifest.replace(b"labels.txt", b"../evil.so")
    lie = HONEST.envelope(manifest=evil)
    wanted = envelope.Wanted("digits", 1, envelope.digest.of(evil))
    assert isinstance(envelope.verify(lie, TRUST, wanted), Refused)


@pytest.mark.parametrize(
    "garbage", [b"", b"null", b"[]", b"{}", b"{" * 100_000, b'{"a":1,"a":2}', b"\xff\xfe", b"NaN"]
)
def test_garbage_is_refused_and_never_raises(garbage: bytes) -> None:
    assert isinstance(envelope.verify(garbage, TRUST, HONEST.wanted), Refused)


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_changed_byte_goes_unnoticed(data: st.DataObject) -> None:
    """Any byte of any signed or hashed part may be flipped: what is verified stays the same."""
    place = data.draw(st.integers(0, len(SENT) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(SENT)
    changed[place] ^= 1 << bit
    found = envelope.verify(bytes(changed), TRUST, HONEST.wanted)
    honest = envelope.verify(SENT, TRUST, HONEST.wanted)
    assert isinstance(found, Refused) or found == honest


def test_only_the_unsigned_labels_of_an_envelope_may_differ() -> None:
    """`model`, `version` and `digest` beside the signed parts are for people; nobody reads them."""
    relabelled = json.loads(SENT)
    relabelled |= {"model": "other", "version": 9, "digest": "sha256:" + "f" * 64}
    found = envelope.verify(json.dumps(relabelled).encode(), TRUST, HONEST.wanted)
    assert found == envelope.verify(SENT, TRUST, HONEST.wanted)


def test_the_proof_is_short() -> None:
    hashes = json.loads(SENT)["proof"]["hashes"]
    assert [len(base64.b64decode(sibling)) for sibling in hashes] == [32, 32, 32]
