"""Publishers by certificate: what a chain must be, each flaw by its name, and the stock command."""

import copy
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from registry import errors
from registry.core import certificates, digest, oms
from registry.core.canonical import Json
from registry.core.certificates import Certified, Identity
from registry.trust import keys, sign
from tests.trust import stock
from tests.trust.authorities import ALICE, AUTHORITY, NOW, PIPELINE, Holder, Wish, issue, root

UNHEARD_OF = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
ROOT = root()
BETWEEN = issue(replace(AUTHORITY, name="Example signing CA", path_length=0), ROOT)
FILES = (oms.File("model.onnx", digest.of(b"weights"), 7),)
LISTED = (
    Identity("email", "alice@example.org", "alice"),
    Identity("uri", "spiffe://example.org/pipeline", "pipeline"),
)


def trusting(holder: Holder = ROOT, identities: tuple[Identity, ...] = LISTED) -> Certified:
    return Certified((certificates.authority("example", holder.pem, identities),), 7, NOW)


def signed(leaf: Holder, *others: Holder) -> dict[str, Json]:
    chain = [leaf.der, *(other.der for other in others)]
    return sign.sign_model("digits", FILES, keys.SigningKey(leaf.private), chain)


def verified(bundle: dict[str, Json], certified: Certified | None = None) -> str:
    return oms.verify(bundle, FILES, [], certified or trusting())


def test_a_leaf_that_an_intermediate_issued_signs_for_its_publisher() -> None:
    assert verified(signed(issue(Wish(), BETWEEN), BETWEEN)) == "alice"


def test_a_chain_may_bring_its_root_along() -> None:
    assert verified(signed(issue(Wish(), BETWEEN), BETWEEN, ROOT)) == "alice"


def test_an_identity_may_be_a_uri() -> None:
    assert verified(signed(issue(Wish(subjects=(PIPELINE,)), ROOT))) == "pipeline"


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_every_curve_of_the_specification_signs(curve: ec.EllipticCurve) -> None:
    leaf = issue(Wish(key=ec.generate_private_key(curve)), BETWEEN)
    assert verified(signed(leaf, BETWEEN)) == "alice"


def test_an_authority_with_an_rsa_key_is_an_authority() -> None:
    old = root(replace(AUTHORITY, key=rsa.generate_private_key(65537, 2048)))
    assert verified(signed(issue(Wish(), old)), trusting(old)) == "alice"


FLAWED = {
    "tls_server_only": (
        Wish(usages=(ExtendedKeyUsageOID.SERVER_AUTH,)),
        "not for signing code",
    ),
    "any_usage": (
        Wish(usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
        "not for signing code",
    ),
    "no_extended_usage": (Wish(usages=()), "leads to no trusted authority"),
    "not_for_signatures": (Wish(signs=False), "not for signing"),
    "expired": (Wish(days_after=-1), "was valid from .* to 2026-11-22 08:00 UTC"),
    "not_yet_valid": (Wish(days_before=-1), "was valid from 2026-11-24 08:00"),
    "an_authority": (replace(AUTHORITY, subjects=(ALICE,), path_length=None), "no trusted"),
    "nobody": (Wish(subjects=()), "leads to no trusted authority"),
    "a_host": (Wish(subjects=(x509.DNSName("alice@example.org"),)), "no identity that"),
    "a_stranger": (
        Wish(subjects=(x509.RFC822Name("eve@example.org"),)),
        "no identity that authority 'example' may vouch for",
    ),
    "two_at_once": (Wish(subjects=(ALICE, PIPELINE)), "of alice and pipeline at once"),
    "unknown_critical_extension": (
        Wish(extra=((UNHEARD_OF, True),)),
        "leads to no trusted authority",
    ),
}


@pytest.mark.parametrize(("wish", "said"), FLAWED.values(), ids=FLAWED)
def test_a_flawed_leaf_signs_nothing(wish: Wish, said: str) -> None:
    with pytest.raises(errors.SignatureInvalid, match=said):
        verified(signed(issue(wish, BETWEEN), BETWEEN))


def test_a_refusal_names_nobody_since_it_may_end_up_in_the_log() -> None:
    wish, _ = FLAWED["a_stranger"]
    with pytest.raises(errors.SignatureInvalid) as refused:
        verified(signed(issue(wish, BETWEEN), BETWEEN))
    assert "eve" not in refused.value.detail + refused.value.fix


def test_a_leaf_expired_today_still_counts_for_what_was_published_while_it_was_valid() -> None:
    bundle = signed(issue(Wish(), ROOT))
    published, today = trusting(), replace(trusting(), at=NOW + timedelta(days=31))
    assert verified(bundle, published) == "alice"
    with pytest.raises(errors.SignatureInvalid, match="was valid from"):
        verified(bundle, today)


def test_an_authority_that_expired_vouches_for_nothing_new() -> None:
    short = root(replace(AUTHORITY, days_after=1))
    bundle = signed(issue(Wish(), short))
    assert verified(bundle, trusting(short)) == "alice"
    with pytest.raises(errors.SignatureInvalid, match="no trusted authority"):
        verified(bundle, replace(trusting(short), at=NOW + timedelta(days=2)))


def test_an_authority_that_nobody_named_is_refused() -> None:
    other = root(replace(AUTHORITY, name="Example root"))
    with pytest.raises(errors.SignatureInvalid, match="no trusted authority"):
        verified(signed(issue(Wish(), other), other))


def test_a_web_authority_of_the_system_is_nobody_here() -> None:
    with pytest.raises(errors.SignatureInvalid, match="names no authority"):
        verified(signed(issue(Wish(), ROOT)), Certified((), 7, NOW))


def test_keys_alone_being_trusted_no_certificate_counts() -> None:
    with pytest.raises(errors.SignatureInvalid, match="by certificate, which does not count here"):
        oms.verify(signed(issue(Wish(), ROOT)), FILES, [])


def test_a_missing_intermediate_is_refused() -> None:
    with pytest.raises(errors.SignatureInvalid, match="no trusted authority"):
        verified(signed(issue(Wish(), BETWEEN)))


def test_an_intermediate_longer_than_its_path_length_is_refused() -> None:
    deeper = issue(replace(AUTHORITY, name="Too deep", path_length=None), BETWEEN)
    with pytest.raises(errors.SignatureInvalid, match="path length"):
        verified(signed(issue(Wish(), deeper), deeper, BETWEEN))


def test_an_intermediate_that_is_no_authority_is_refused() -> None:
    leaf = issue(Wish(), ROOT)
    with pytest.raises(errors.SignatureInvalid, match="basicConstraints"):
        verified(signed(issue(Wish(), leaf), leaf))


def test_an_intermediate_whose_key_may_not_issue_is_refused() -> None:
    mute = issue(replace(AUTHORITY, name="Mute", issues=False), ROOT)
    with pytest.raises(errors.SignatureInvalid, match="keyCertSign"):
        verified(signed(issue(Wish(), mute), mute))


def test_an_intermediate_for_tls_issues_no_signers() -> None:
    tls = issue(replace(AUTHORITY, name="TLS", usages=(ExtendedKeyUsageOID.SERVER_AUTH,)), ROOT)
    with pytest.raises(errors.SignatureInvalid, match="may not issue"):
        verified(signed(issue(Wish(), tls), tls))


def test_an_intermediate_constrained_to_other_names_is_refused() -> None:
    constraint = x509.NameConstraints([x509.RFC822Name("elsewhere.org")], None)
    narrow = issue(replace(AUTHORITY, name="Narrow", extra=((constraint, True),)), ROOT)
    with pytest.raises(errors.SignatureInvalid, match="no permitted name"):
        verified(signed(issue(Wish(), narrow), narrow))


def test_an_identity_counts_only_in_its_window_of_the_log() -> None:
    bundle = signed(issue(Wish(), ROOT))
    left = (Identity("email", "alice@example.org", "alice", since=3, until=7),)
    assert verified(bundle, replace(trusting(ROOT, left), index=6)) == "alice"
    for index in (2, 7):
        with pytest.raises(errors.SignatureInvalid, match="no identity that"):
            verified(bundle, replace(trusting(ROOT, left), index=index))


def test_another_key_than_the_certificates_own_is_refused() -> None:
    leaf = issue(Wish(), ROOT)
    bundle = sign.sign_model("digits", FILES, keys.generate_signing_key(), [leaf.der])
    with pytest.raises(errors.SignatureInvalid, match="does not match key 'alice'"):
        verified(bundle)


def with_material(material: dict[str, Json]) -> dict[str, Json]:
    bundle = copy.deepcopy(signed(issue(Wish(), ROOT)))
    chain = bundle["verificationMaterial"]
    assert isinstance(chain, dict)
    bundle["verificationMaterial"] = {**chain, **material}
    return bundle


def test_a_bundle_that_names_a_key_and_a_certificate_is_refused() -> None:
    with pytest.raises(errors.InvalidInput, match="publicKey and x509CertificateChain"):
        verified(with_material({"publicKey": {"hint": "0" * 64}}))


def test_a_bundle_that_names_neither_is_refused() -> None:
    bundle = with_material({})
    bundle["verificationMaterial"] = {"tlogEntries": []}
    with pytest.raises(errors.InvalidInput, match="has neither"):
        verified(bundle)


@pytest.mark.parametrize(
    "certificates_",
    [[], [{}], [{"rawBytes": "AAAA"}], [{"rawBytes": "!"}], ["x"], [{"rawBytes": "AAAA"}] * 9],
)
def test_a_chain_of_rubbish_is_refused(certificates_: list[Json]) -> None:
    with pytest.raises(errors.InvalidInput):
        verified(with_material({"x509CertificateChain": {"certificates": certificates_}}))


def test_an_authority_in_the_trust_root_must_be_one() -> None:
    leaf = issue(Wish(), ROOT)
    for pem in ("", "nonsense", leaf.pem):
        with pytest.raises(errors.InvalidInput, match="authority 'x'"):
            certificates.authority("x", pem, ())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"weights")
    (tmp_path / "root.pem").write_text(ROOT.pem)
    return folder


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_the_independent_verifier_accepts_our_chain(model: Path, curve: ec.EllipticCurve) -> None:
    bundle = signed(issue(Wish(key=ec.generate_private_key(curve)), BETWEEN), BETWEEN)
    (model.parent / "model.sig").write_text(json.dumps(bundle))
    done = stock.command(
        "verify", "certificate", model, "--signature", model.parent / "model.sig",
        "--certificate_chain", model.parent / "root.pem",
    )  # fmt: skip
    assert done.returncode == 0, done.said


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_we_accept_the_independent_signature_by_certificate(
    model: Path, curve: ec.EllipticCurve
) -> None:
    leaf, beside = issue(Wish(key=ec.generate_private_key(curve)), BETWEEN), model.parent
    (beside / "leaf.pem").write_text(leaf.pem)
    (beside / "between.pem").write_text(BETWEEN.pem)
    (beside / "key.pem").write_bytes(
        leaf.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    done = stock.command(
        "sign", "certificate", model, "--signature", beside / "their.sig",
        "--private_key", beside / "key.pem", "--signing_certificate", beside / "leaf.pem",
        "--certificate_chain", beside / "between.pem",
    )  # fmt: skip
    assert done.returncode == 0, done.said
    assert verified(json.loads((beside / "their.sig").read_text())) == "alice"


@pytest.mark.parametrize("flaw", ["tls_server_only", "expired"])
def test_what_the_independent_verifier_lets_through_we_refuse(model: Path, flaw: str) -> None:
    """If they reject it now, this weakness is gone and the test may go too."""
    wish, said = FLAWED[flaw]
    bundle = signed(issue(wish, BETWEEN), BETWEEN)
    (model.parent / "model.sig").write_text(json.dumps(bundle))
    done = stock.command(
        "verify", "certificate", model, "--signature", model.parent / "model.sig",
        "--certificate_chain", model.parent / "root.pem",
    )  # fmt: skip
    assert done.returncode == 0, done.said
    with pytest.raises(errors.SignatureInvalid, match=said):
        verified(bundle)
