"""OMS signatures against the independent `model_signing` command, in both directions."""

import base64
import copy
import hashlib
import json
from pathlib import Path

import pytest

from registry import errors
from registry.core import dsse, oms, statement
from registry.trust import keys, sign
from tests.trust import stock

# Sorted by name, "a-b" comes before "a/b": the order that the root digest hangs on.
CONTENT = {
    "saved_model.pb": b"graph",
    "variables/variables.index": b"index",
    "a-b.bin": b"dash",
    "a/b.bin": b"slash",
    "a/b/c.bin": b"deep",
    "a.b": b"dot",
    "Z": b"upper",
}


@pytest.fixture
def key() -> keys.SigningKey:
    return keys.generate_signing_key()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    for path, content in CONTENT.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def files_of(folder: Path) -> list[oms.File]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [
        oms.File(
            path.relative_to(folder).as_posix(),
            "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_size,
        )
        for path in found
    ]


def trusted(key: keys.SigningKey) -> list[dsse.Signer]:
    return [dsse.signer("alice", key.public_pem)]


def they_verify(folder: Path, bundle: dict[str, object], key: keys.SigningKey) -> bool:
    beside = folder.parent
    (beside / "model.sig").write_text(json.dumps(bundle))
    (beside / "key.pub").write_text(key.public_pem)
    done = stock.command(
        "verify", "key", folder, "--signature", beside / "model.sig",
        "--public_key", beside / "key.pub",
    )  # fmt: skip
    return done.returncode == 0


def test_the_independent_verifier_accepts_our_signature(model: Path, key: keys.SigningKey):
    bundle = sign.sign_model("digits", files_of(model), key)
    assert they_verify(model, bundle, key)
    assert oms.verify(bundle, files_of(model), trusted(key)) == "alice"


def test_we_accept_the_independent_signature(model: Path, tmp_path: Path, key: keys.SigningKey):
    keys.write(key, tmp_path / "key.pem")
    signature = tmp_path / "their.sig"
    done = stock.command(
        "sign", "key", model, "--signature", signature, "--private_key", tmp_path / "key.pem"
    )
    assert done.returncode == 0, done.said
    bundle = json.loads(signature.read_text())
    assert oms.verify(bundle, files_of(model), trusted(key)) == "alice"


def test_one_flipped_byte_is_rejected_by_both(model: Path, key: keys.SigningKey):
    bundle = sign.sign_model("digits", files_of(model), key)
    (model / "saved_model.pb").write_bytes(b"grapi")
    assert not they_verify(model, bundle, key)
    with pytest.raises(errors.SignatureInvalid, match=r"'saved_model\.pb' is not the one"):
        oms.verify(bundle, files_of(model), trusted(key))


def test_an_extra_file_is_rejected_by_both(model: Path, key: keys.SigningKey):
    bundle = sign.sign_model("digits", files_of(model), key)
    (model / "extra.bin").write_bytes(b"")
    assert not they_verify(model, bundle, key)
    with pytest.raises(errors.SignatureInvalid, match=r"'extra\.bin' is not covered"):
        oms.verify(bundle, files_of(model), trusted(key))


def test_a_missing_file_is_rejected_by_both(model: Path, key: keys.SigningKey):
    bundle = sign.sign_model("digits", files_of(model), key)
    (model / "Z").unlink()
    assert not they_verify(model, bundle, key)
    with pytest.raises(errors.SignatureInvalid, match="'Z' is missing"):
        oms.verify(bundle, files_of(model), trusted(key))


def test_a_file_slipped_under_dot_git_fools_them_and_not_us(model: Path, key: keys.SigningKey):
    bundle = sign.sign_model("digits", files_of(model), key)
    (model / ".git").mkdir()
    (model / ".git" / "hook").write_bytes(b"payload")
    assert they_verify(model, bundle, key), "if they reject it now, this weakness is gone"
    with pytest.raises(errors.SignatureInvalid, match="hook"):
        oms.verify(bundle, files_of(model), trusted(key))


def test_oms_lets_a_model_be_renamed_and_the_registry_statement_does_not(
    model: Path, tmp_path: Path, key: keys.SigningKey
):
    bundle = sign.sign_model("digits", files_of(model), key)
    renamed = model.rename(tmp_path / "fraud")
    assert they_verify(renamed, bundle, key)
    assert oms.verify(bundle, files_of(renamed), trusted(key)) == "alice"
    said = statement.Version("digits", 1, "sha256:" + "a" * 64, "onnx", "alice")
    registry_bundle = sign.sign_version(said, key)
    read = statement.verify(registry_bundle, trusted(key)[0])
    assert (read.model, read.version) == ("digits", 1)


def test_a_registry_statement_cannot_be_rewritten(key: keys.SigningKey):
    said = statement.Version("digits", 1, "sha256:" + "a" * 64, "onnx", "alice")
    bundle = copy.deepcopy(sign.sign_version(said, key))
    envelope = bundle["dsseEnvelope"]
    assert isinstance(envelope, dict)
    payload = base64.b64decode(str(envelope["payload"])).replace(b'"digits"', b'"frauds"')
    envelope["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(errors.SignatureInvalid):
        statement.verify(bundle, trusted(key)[0])


def test_a_model_signature_is_no_registry_statement(model: Path, key: keys.SigningKey):
    bundle = sign.sign_model("digits", files_of(model), key)
    with pytest.raises(errors.InvalidInput, match="of another type"):
        statement.verify(bundle, trusted(key)[0])


def test_a_signature_by_a_key_that_is_not_trusted_is_refused(model: Path, key: keys.SigningKey):
    bundle = sign.sign_model("digits", files_of(model), key)
    with pytest.raises(errors.SignatureInvalid, match="unknown key"):
        oms.verify(bundle, files_of(model), trusted(keys.generate_signing_key()))
    with pytest.raises(errors.SignatureInvalid, match="unknown key"):
        oms.verify(bundle, files_of(model), [])


def test_the_hint_names_a_key_and_proves_nothing(model: Path, key: keys.SigningKey):
    bundle = sign.sign_model("digits", files_of(model), key)
    other = keys.generate_signing_key()
    bundle["verificationMaterial"] = {"publicKey": {"hint": other.hint}}
    with pytest.raises(errors.SignatureInvalid, match="does not match key 'alice'"):
        oms.verify(bundle, files_of(model), trusted(other))


def test_a_single_file_model_is_signed_as_a_folder(tmp_path: Path, key: keys.SigningKey):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"onnx")
    bundle = sign.sign_model("one", files_of(folder), key)
    assert they_verify(folder, bundle, key)


def test_a_model_without_files_is_not_signed(key: keys.SigningKey):
    with pytest.raises(errors.InvalidInput, match="without files"):
        sign.sign_model("nothing", [], key)
