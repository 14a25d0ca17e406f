"""`.tlog-proof` files: read by the specification, and refused once anything in them is changed."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import errors
from registry.core import tlog_proof
from tests.core.logs import Log, Witness, log_of

LOG = log_of(11)
REFUSED = (errors.InvalidInput, errors.SignatureInvalid, errors.IntegrityError)


def follow_the_specification(text: str) -> tuple[bytes, str]:
    """C2SP tlog-proof and RFC 9162 §2.1.3.2 without our code: the root reached, the checkpoint."""
    head, checkpoint = text.split("\n\n", 1)
    version, extra, index, *hashes = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    leaf = base64.b64decode(extra.removeprefix("extra "))
    fn, sn = int(index.removeprefix("index ")), int(checkpoint.split("\n")[1]) - 1
    root = hashlib.sha256(b"\x00" + leaf).digest()
    for line in hashes:
        sibling = base64.b64decode(line)
        if fn % 2 or fn == sn:
            root = hashlib.sha256(b"\x01" + sibling + root).digest()
            while not fn % 2 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = hashlib.sha256(b"\x01" + root + sibling).digest()
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return root, checkpoint


@pytest.mark.parametrize("size", range(1, 12))
def test_a_reader_written_from_the_specification_reaches_the_signed_root(size: int) -> None:
    for index in range(size):
        text = tlog_proof.encode(LOG.proof(index, size))
        root, checkpoint = follow_the_specification(text)
        assert checkpoint == LOG.checkpoint(size).text
        assert base64.b64decode(checkpoint.split("\n")[2]) == root
        assert tlog_proof.verify(text, LOG.name).size == size


def test_what_is_written_is_read_back() -> None:
    proof = LOG.proof(4)
    assert tlog_proof.parse(tlog_proof.encode(proof)) == proof
    assert tlog_proof.encode(tlog_proof.parse(tlog_proof.encode(proof))) == tlog_proof.encode(proof)


def test_a_proof_without_extra_needs_the_entry_from_elsewhere() -> None:
    whole = LOG.proof(4)
    text = tlog_proof.encode(tlog_proof.Proof(4, whole.hashes, whole.checkpoint))
    assert tlog_proof.verify(text, LOG.name, leaf=b"entry 4").size == 11
    for leaf in (None, b"entry 5"):
        with pytest.raises(errors.IntegrityError):
            tlog_proof.verify(text, LOG.name, leaf=leaf)


def test_a_proof_with_witness_lines_is_read() -> None:
    witnessed = Witness().cosign(LOG.checkpoint()).text
    proof = LOG.proof(4)
    text = tlog_proof.encode(tlog_proof.Proof(4, proof.hashes, witnessed, proof.extra))
    assert tlog_proof.verify(text, LOG.name).text == witnessed


def test_a_proof_and_a_checkpoint_of_different_sizes_do_not_mix() -> None:
    proof = LOG.proof(4, 9)
    mixed = tlog_proof.Proof(4, proof.hashes, LOG.checkpoint(11).text, proof.extra)
    with pytest.raises(errors.IntegrityError):
        tlog_proof.verify(tlog_proof.encode(mixed), LOG.name)


def test_a_proof_of_another_log_of_the_same_name_is_refused() -> None:
    other = Log(list(LOG.leaves))
    with pytest.raises(errors.SignatureInvalid):
        tlog_proof.verify(tlog_proof.encode(other.proof(4)), LOG.name)


HONEST = tlog_proof.encode(LOG.proof(4))


def hash_line(length: int) -> str:
    return base64.b64encode(bytes(length)).decode() + "\n"


@pytest.mark.parametrize(
    ("flaw", "text"),
    [
        ("empty", ""),
        ("another version", HONEST.replace("@v1", "@v2")),
        ("no index", HONEST.replace("index 4\n", "")),
        ("index with a zero before it", HONEST.replace("index 4", "index 04")),
        ("index below zero", HONEST.replace("index 4", "index -4")),
        ("index in other digits", HONEST.replace("index 4", "index ٤")),
        ("index beyond every log", HONEST.replace("index 4", "index 9223372036854775808")),
        ("extra after index", HONEST.replace("extra ", "index 4\nextra ", 1)),
        ("two extras", HONEST.replace("extra ", "extra YQ==\nextra ", 1)),
        ("carriage returns", HONEST.replace("\n", "\r\n")),
        ("no checkpoint", HONEST.split("\n\n")[0] + "\n\n"),
        ("64 hashes", HONEST.replace("index 4\n", "index 4\n" + hash_line(32) * 64)),
        ("a hash of 31 bytes", HONEST.replace("index 4\n", "index 4\n" + hash_line(31))),
        ("no final newline", HONEST.removesuffix("\n")),
        ("something after it", HONEST + "and more\n"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused(flaw: str, text: str) -> None:
    with pytest.raises(REFUSED):
        tlog_proof.verify(text, LOG.name)


@given(st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(HONEST) - 1))
    put = data.draw(st.characters(codec="utf-8"))
    changed = HONEST[:at] + put + HONEST[at + 1 :]
    if changed != HONEST:
        with pytest.raises(REFUSED):
            tlog_proof.verify(changed, LOG.name)


@given(st.data())
def test_any_piece_cut_out_or_doubled_is_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(HONEST) - 1))
    stop = data.draw(st.integers(start + 1, len(HONEST)))
    doubled = HONEST[:stop] + HONEST[start:]
    for changed in (HONEST[:start] + HONEST[stop:], doubled):
        with pytest.raises(REFUSED):
            tlog_proof.verify(changed, LOG.name)


@given(st.text())
def test_no_other_error_leaves_the_parser(text: str) -> None:
    for candidate in (text, "c2sp.org/tlog-proof@v1\n" + text):
        with pytest.raises(errors.InvalidInput):
            tlog_proof.parse(candidate + "x")
