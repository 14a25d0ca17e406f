"""Traps of OpenSSF Model Signing that were met in its own library, each one by its name.

Where the library is lenient, the test shows that too: when it is not any more, the test says so.
"""

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from registry import errors
from registry.core import canonical, dsse, oms
from registry.core.canonical import Json
from registry.trust import keys, sign
from registry.trust.keys import SigningKey
from tests.trust import stock


@pytest.fixture
def key() -> SigningKey:
    return keys.generate_signing_key()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"weights")
    return folder


def files_of(folder: Path) -> list[oms.File]:
    return [
        oms.File(
            path.relative_to(folder).as_posix(),
            "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_size,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def trusted(key: SigningKey) -> list[dsse.Signer]:
    return [dsse.signer("alice", key.public_pem)]


def signed(payload: bytes, key: SigningKey) -> dict[str, Json]:
    return sign.sign_statement(payload, key)


def they_accept(folder: Path, bundle: dict[str, Json], key: SigningKey) -> bool:
    beside = folder.parent
    (beside / "model.sig").write_text(json.dumps(bundle))
    (beside / "key.pub").write_text(key.public_pem)
    done = stock.command(
        "verify", "key", folder,
        "--signature", beside / "model.sig", "--public_key", beside / "key.pub",
    )  # fmt: skip
    return done.returncode == 0


def they_sign(folder: Path, key: SigningKey, serialisation: str) -> dict[str, Json]:
    """By the library's own interface, with a serialisation that its command does not offer."""
    beside = folder.parent
    keys.write(key, beside / "key.pem")
    code = (
        "import model_signing as m;"
        f"m.signing.Config().use_elliptic_key_signer(private_key={str(beside / 'key.pem')!r})"
        f".set_hashing_config(m.hashing.Config().{serialisation})"
        f".sign({str(folder)!r}, {str(beside / 'their.sig')!r})"
    )
    done = stock.run(code)
    assert done.returncode == 0, done.said
    return canonical.decode_object((beside / "their.sig").read_bytes(), what="their.sig")


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()])
def test_keys_on_larger_curves_sign_for_both(model: Path, curve: ec.EllipticCurve) -> None:
    large = SigningKey(ec.generate_private_key(curve))
    bundle = sign.sign_model("digits", files_of(model), large)
    assert they_accept(model, bundle, large)
    assert oms.verify(bundle, files_of(model), trusted(large)) == "alice"


def test_an_ed25519_key_is_no_publishers_key(tmp_path: Path) -> None:
    """The specification has no place for one; the library ends with a stack trace."""
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(errors.InvalidInput, match="not ECDSA on P-256, P-384 or P-521"):
        dsse.signer("alice", pem.decode())
    keys.write(keys.generate_log_key(), tmp_path / "ed25519.pem")
    with pytest.raises(errors.InvalidConfig, match="not an ECDSA key"):
        keys.load_signing_key(tmp_path / "ed25519.pem")


@pytest.mark.parametrize(
    "serialisation",
    [
        "use_file_serialization(hashing_algorithm='blake2')",
        "use_shard_serialization(hashing_algorithm='sha256', shard_size=4)",
    ],
    ids=["blake2", "shards"],
)
def test_blake2_and_shards_are_refused(model: Path, key: SigningKey, serialisation: str) -> None:
    """The library signs them and cannot verify them."""
    bundle = they_sign(model, key, serialisation)
    assert not they_accept(model, bundle, key), "if they verify it now, we may too"
    with pytest.raises(errors.InvalidInput, match=r"must list whole files by sha256|unknown field"):
        oms.verify(bundle, files_of(model), trusted(key))


def in_predicate(document: dict[str, Json]) -> None:
    predicate = document["predicate"]
    assert isinstance(predicate, dict)
    predicate["stage"] = "production"


def in_serialization(document: dict[str, Json]) -> None:
    predicate = document["predicate"]
    assert isinstance(predicate, dict)
    serialization_ = predicate["serialization"]
    assert isinstance(serialization_, dict)
    serialization_["follow"] = True


def in_resource(document: dict[str, Json]) -> None:
    predicate = document["predicate"]
    assert isinstance(predicate, dict)
    resources = predicate["resources"]
    assert isinstance(resources, list)
    assert isinstance(resources[0], dict)
    resources[0]["optional"] = True


@pytest.mark.parametrize("add", [in_predicate, in_serialization, in_resource])
def test_fields_that_the_specification_does_not_know_are_refused(
    model: Path, key: SigningKey, add: Callable[[dict[str, Json]], None]
) -> None:
    document = canonical.decode_object(oms.statement("digits", files_of(model)), what="statement")
    add(document)
    with pytest.raises(errors.InvalidInput, match="has the unknown field"):
        oms.verify(signed(canonical.encode(document), key), files_of(model), trusted(key))


def test_an_extra_field_of_the_predicate_gets_by_the_stock_command(
    model: Path, key: SigningKey
) -> None:
    document = canonical.decode_object(oms.statement("digits", files_of(model)), what="statement")
    in_predicate(document)
    assert they_accept(model, signed(canonical.encode(document), key), key)


def test_a_lone_file_is_called_differently_by_library_and_specification(
    model: Path, key: SigningKey
) -> None:
    """The library calls it `.`, so that its signature names no file that could be laid out."""
    bundle = they_sign(model / "model.onnx", key, "use_file_serialization()")
    with pytest.raises(errors.InvalidInput):
        oms.verify(bundle, files_of(model), trusted(key))


def test_several_signatures_in_one_envelope_are_refused(model: Path, key: SigningKey) -> None:
    """Sigstore bundles hold one; further signers sign bundles of their own."""
    bundle = copy.deepcopy(sign.sign_model("digits", files_of(model), key))
    envelope = bundle["dsseEnvelope"]
    assert isinstance(envelope, dict)
    signatures = envelope["signatures"]
    assert isinstance(signatures, list)
    signatures.append(signatures[0])
    with pytest.raises(errors.InvalidInput, match="has 2 signatures, wanted exactly one"):
        oms.verify(bundle, files_of(model), trusted(key))


def test_paths_that_the_signer_ignored_are_not_ignored_here(model: Path, key: SigningKey) -> None:
    document = canonical.decode_object(oms.statement("digits", files_of(model)), what="statement")
    predicate = document["predicate"]
    assert isinstance(predicate, dict)
    serialization_ = predicate["serialization"]
    assert isinstance(serialization_, dict)
    serialization_["ignore_paths"] = ["hook"]
    bundle = signed(canonical.encode(document), key)
    (model / "hook").write_bytes(b"payload")
    assert they_accept(model, bundle, key)
    with pytest.raises(errors.SignatureInvalid, match="'hook' is not covered"):
        oms.verify(bundle, files_of(model), trusted(key))


def test_a_signature_in_another_encoding_is_the_same_signature_and_nothing_more(
    model: Path, key: SigningKey
) -> None:
    """What is verified are the payload's bytes as they came, so spaces in it are signed too."""
    document = canonical.decode_object(oms.statement("digits", files_of(model)), what="statement")
    spaced = signed(json.dumps(document, indent=2).encode(), key)
    assert they_accept(model, spaced, key)
    assert oms.verify(spaced, files_of(model), trusted(key)) == "alice"
    envelope = spaced["dsseEnvelope"]
    assert isinstance(envelope, dict)
    envelope["payload"] = base64.b64encode(canonical.encode(document)).decode()
    with pytest.raises(errors.SignatureInvalid, match="does not match key 'alice'"):
        oms.verify(spaced, files_of(model), trusted(key))
