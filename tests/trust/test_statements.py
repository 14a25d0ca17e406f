"""The registry's statement: what it binds today, and that what it signed before stays readable."""

import base64

import pytest

from registry import errors
from registry.core import canonical, dsse, statement
from registry.core.canonical import Json
from registry.trust import keys, sign

KEY = keys.generate_signing_key()
REGISTRY = dsse.signer("registry", KEY.public_pem)
DIGEST = "sha256:" + "a" * 64
SAID = statement.Version(
    "digits", 1, DIGEST, "onnx", "alice", {"result": "passed", "facts": {"operations": 3}}
)
# As the first releases wrote it, byte by byte.
OF_THE_FIRST_DAYS = (
    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"digest":"sha256:'
    + b"a" * 64
    + b'","format":"onnx","model":"digits","publisher":"alice","version":1},'
    b'"predicateType":"https://plimsoll.dev/version/v1",'
    b'"subject":[{"digest":{"sha256":"' + b"a" * 64 + b'"},"name":"digits@1"}]}'
)


def signed(payload: bytes) -> dict[str, Json]:
    return {
        "mediaType": dsse.MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": KEY.hint}},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": dsse.PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(KEY.sign(dsse.pae(payload))).decode()}],
        },
    }


def changed(payload: bytes, **predicate: Json) -> bytes:
    document = canonical.decode_object(payload, what="statement")
    said = document["predicate"]
    assert isinstance(said, dict)
    return canonical.encode(document | {"predicate": said | predicate})


def test_the_scan_is_bound_to_the_digest() -> None:
    assert statement.verify(sign.sign_version(SAID, KEY), REGISTRY) == SAID


def test_a_statement_of_the_first_days_is_read_and_says_nothing_of_a_scan() -> None:
    said = statement.verify(signed(OF_THE_FIRST_DAYS), REGISTRY)
    assert said == statement.Version("digits", 1, DIGEST, "onnx", "alice")


@pytest.mark.parametrize("payload", [OF_THE_FIRST_DAYS, statement.encode(SAID)])
def test_fields_nobody_knows_are_refused_even_when_signed(payload: bytes) -> None:
    with pytest.raises(errors.SignatureInvalid, match="says more than"):
        statement.verify(signed(changed(payload, stage="production")), REGISTRY)


def test_a_statement_of_the_first_days_cannot_claim_a_scan() -> None:
    with pytest.raises(errors.SignatureInvalid, match="says more than"):
        statement.verify(signed(changed(OF_THE_FIRST_DAYS, scan={})), REGISTRY)


def test_a_statement_without_its_scan_is_refused() -> None:
    document = canonical.decode_object(OF_THE_FIRST_DAYS, what="statement")
    document["predicateType"] = statement.PREDICATE_TYPE
    with pytest.raises(errors.InvalidInput, match="'scan' must be an object"):
        statement.verify(signed(canonical.encode(document)), REGISTRY)


def test_a_key_that_the_registry_had_before_still_vouches() -> None:
    new = dsse.signer("registry", keys.generate_signing_key().public_pem)
    bundle = sign.sign_version(SAID, KEY)
    assert statement.verify(bundle, new, REGISTRY) == SAID
    with pytest.raises(errors.SignatureInvalid, match="unknown key"):
        statement.verify(bundle, new)
