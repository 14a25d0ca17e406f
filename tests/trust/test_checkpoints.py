"""Checkpoints against readers that share no code with us: sigstore's, and one written here."""

import base64
import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sigstore._internal.rekor.checkpoint import LogCheckpoint, SignedNote

from registry import errors
from registry.core import note
from registry.trust import keys, sign

ORIGIN = "plimsoll.example/log"
ROOT = hashlib.sha256(b"root").digest()


@pytest.fixture(scope="module")
def key() -> keys.LogKey:
    return keys.generate_log_key()


@pytest.fixture(scope="module")
def text(key: keys.LogKey) -> str:
    return sign.sign_checkpoint(ORIGIN, 42, ROOT, key)


def read_by_the_specification(text: str, name: str, public_key: bytes) -> tuple[int, bytes]:
    """C2SP signed-note and tlog-checkpoint, followed line by line without our code."""
    head, tail = text.split("\n\n")
    signed = (head + "\n").encode()
    dash, said_name, blob = tail.removesuffix("\n").split(" ")
    assert (dash, said_name) == ("—", name)
    raw = base64.b64decode(blob)
    assert raw[:4] == hashlib.sha256(name.encode() + b"\x0a\x01" + public_key).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public_key).verify(raw[4:], signed)
    origin, size, root = head.split("\n")
    assert origin == name
    return int(size), base64.b64decode(root)


def test_a_reader_written_from_the_specification_accepts_our_checkpoint(
    text: str, key: keys.LogKey
):
    assert read_by_the_specification(text, ORIGIN, key.public_raw) == (42, ROOT)


def test_the_sigstore_reader_accepts_our_checkpoint(text: str, key: keys.LogKey):
    read = LogCheckpoint.from_text(text.split("\n\n", maxsplit=1)[0] + "\n")
    assert (read.origin, read.log_size) == (ORIGIN, 42)
    assert read.log_hash == ROOT.hex()
    signature = SignedNote.from_text(text).signatures[0]
    assert signature.name == ORIGIN
    assert signature.sig_hash == note.LogKey(ORIGIN, key.public_raw).key_id


def test_our_reader_accepts_our_checkpoint(text: str, key: keys.LogKey):
    read = note.verify_checkpoint(text, note.LogKey(ORIGIN, key.public_raw))
    assert (read.size, read.root, read.text) == (42, ROOT, text)


def test_a_changed_size_or_root_is_rejected_by_all(text: str, key: keys.LogKey):
    other_root = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    for changed in (
        text.replace("\n42\n", "\n43\n"),
        text.replace(base64.b64encode(ROOT).decode(), other_root),
    ):
        assert changed != text
        with pytest.raises(InvalidSignature):
            read_by_the_specification(changed, ORIGIN, key.public_raw)
        with pytest.raises(errors.SignatureInvalid):
            note.verify_checkpoint(changed, note.LogKey(ORIGIN, key.public_raw))


def test_a_checkpoint_of_another_log_is_refused(text: str, key: keys.LogKey):
    with pytest.raises(errors.SignatureInvalid):
        note.verify_checkpoint(text, note.LogKey("elsewhere.example/log", key.public_raw))
    with pytest.raises(errors.SignatureInvalid):
        note.verify_checkpoint(text, note.LogKey(ORIGIN, keys.generate_log_key().public_raw))


def test_a_witness_line_is_ignored(text: str, key: keys.LogKey):
    witnessed = text + "— witness.example AAAAAAAA\n"
    assert note.verify_checkpoint(witnessed, note.LogKey(ORIGIN, key.public_raw)).size == 42
