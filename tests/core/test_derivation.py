"""Derivation statements, by vectors whose bytes another program can check as well."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registry import errors
from registry.core import canonical, derivation, dsse
from registry.core.derivation import Derivation
from registry.trust import keys

VECTORS = json.loads((Path(__file__).parent / "vectors" / "derivation.json").read_text())
REGISTRY = dsse.signer("registry", VECTORS["registry"]["publicKey"])


def by_name(name: str) -> Any:
    return next(one for one in VECTORS["vectors"] if one["name"] == name)


def checked(vector: Any) -> None:
    """As a host would that pulled `copy` of `origin`."""
    said = derivation.verify(vector["bundle"], REGISTRY)
    wanted = vector["wanted"]
    derivation.require(said, origin=wanted["from"], copy=wanted["to"], host=wanted["host"])


def test_the_good_vector_is_accepted_and_says_what_it_says() -> None:
    good = by_name("good")
    checked(good)
    said = derivation.verify(good["bundle"], REGISTRY)
    assert said.method == "wm/v1"
    assert said.recipient == "edge-1"


@pytest.mark.parametrize(
    "vector",
    [one for one in VECTORS["vectors"] if one["error"]],
    ids=[one["name"] for one in VECTORS["vectors"] if one["error"]],
)
def test_a_bad_vector_is_refused_with_its_code(vector: Any) -> None:
    with pytest.raises(errors.PlimsollError) as refused:
        checked(vector)
    assert refused.value.code == vector["error"]


def test_the_payload_of_the_good_vector_is_what_we_would_sign() -> None:
    good = by_name("good")
    said = derivation.verify(good["bundle"], REGISTRY)
    assert derivation.encode(said).decode() == good["payload"]


def test_a_copy_that_is_its_own_origin_is_refused() -> None:
    same = "sha256:" + "a" * 64
    with pytest.raises(errors.IntegrityError, match="own origin"):
        derivation.require(
            Derivation(same, same, "wm/v1", "edge-1", same), origin=same, copy=same, host="edge-1"
        )


def test_a_statement_with_a_field_more_is_refused() -> None:
    key = keys.generate_signing_key()
    document = json.loads(by_name("good")["payload"])
    document["predicate"]["alsoFor"] = "edge-2"
    payload = canonical.encode(document)
    bundle = dsse.bundle(payload, key.sign(dsse.pae(payload)), hint=key.hint)
    with pytest.raises(errors.IntegrityError, match="says more"):
        derivation.verify(bundle, dsse.signer("registry", key.public_pem))


def test_what_is_encoded_is_read_back() -> None:
    key = keys.generate_signing_key()
    made = replace(derivation.verify(by_name("good")["bundle"], REGISTRY), recipient="edge-9")
    payload = derivation.encode(made)
    bundle = dsse.bundle(payload, key.sign(dsse.pae(payload)), hint=key.hint)
    assert derivation.verify(bundle, dsse.signer("registry", key.public_pem)) == made
