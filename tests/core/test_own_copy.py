"""The envelope with a host's own copy in it: what is believed of one, and what is not."""

from dataclasses import replace

import pytest

from registry.core import dsse, envelope
from registry.core.canonical import Json
from registry.core.envelope import Refused, Verified
from registry.core.trustroot import TrustRoot
from registry.core.watermark.scheme import OWNER
from registry.trust import keys, sign
from tests.core.marked_publication import Marked, files_of
from tests.core.publication import Publication

ORIGINAL = {"model.onnx": b"weights as trained", "labels.txt": b"cat dog"}
OWNERS = ORIGINAL | {"model.onnx": b"weights as marked."}
HOSTS = ORIGINAL | {"model.onnx": b"weights for edge-1"}


@pytest.fixture(scope="module")
def published() -> Marked:
    return Marked(OWNERS, original=ORIGINAL)


def verified(
    published: Marked, copy: dict[str, Json] | None, trust: TrustRoot | None = None
) -> Verified | Refused:
    sent = published.envelope(copy=copy)
    return envelope.verify(sent, trust or published.trust, published.wanted)


def test_a_hosts_own_copy_stands_for_the_versions_files(published: Marked) -> None:
    found = verified(published, published.copy(HOSTS))
    assert isinstance(found, Verified), found
    assert set(found.files) == set(files_of(HOSTS))
    assert found.recipient == "edge-1"
    assert found.publisher == "alice"


def test_without_a_copy_the_files_are_the_versions_and_anybodys(published: Marked) -> None:
    found = verified(published, None)
    assert isinstance(found, Verified)
    assert set(found.files) == set(files_of(OWNERS))
    assert not found.recipient


LIES: dict[str, tuple[dict[str, object], str]] = {
    "of another model": ({"model": "other"}, "the copy is of other@1"),
    "of another version": ({"version": 2}, "the copy is of digits@2"),
    "for the owner": ({"recipient": OWNER}, "made for no host"),
    "by another key": ({"commitment": "sha256:" + "0" * 64}, "with another key"),
    "of another original": ({"source": tuple(files_of(OWNERS))}, "of other files"),
    "of another size": ({"files": tuple(files_of(HOSTS | {"labels.txt": b"cat"}))}, "by path"),
    "with a file more": ({"files": tuple(files_of(HOSTS | {"more": b""}))}, "by path"),
    "with a file less": ({"files": tuple(files_of(HOSTS)[:1])}, "by path"),
    "with a file twice": ({"files": (*files_of(HOSTS), files_of(OWNERS)[0])}, "are the same"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_copy_that_is_not_of_this_version_is_refused(published: Marked, lie: str) -> None:
    changed, said = LIES[lie]
    found = verified(published, published.copy(HOSTS, **changed))
    assert isinstance(found, Refused)
    assert found.check == "copy"
    assert said in found.reason


def test_only_the_registry_says_what_a_copy_is(published: Marked) -> None:
    forger = replace(published, registry=keys.generate_signing_key())
    for by in (forger, replace(published, registry=published.publisher)):
        found = verified(published, by.copy(HOSTS))
        assert isinstance(found, Refused)
        assert (found.check, found.code) == ("copy", "signature_invalid")


def test_a_copy_of_what_bears_no_mark_is_refused(published: Marked) -> None:
    plain = Publication(ORIGINAL, registry=published.registry)
    sent = plain.envelope(copy=published.copy(HOSTS))
    found = envelope.verify(sent, plain.trust, plain.wanted)
    assert isinstance(found, Refused)
    assert "bears no mark" in found.reason


def test_the_publishers_own_statement_is_no_copy(published: Marked) -> None:
    found = verified(published, sign.sign_model("digits", files_of(HOSTS), published.registry))
    assert isinstance(found, Refused)
    assert found.check == "copy"


def test_a_key_that_the_registry_got_after_the_publication_signs_copies_of_it(
    published: Marked,
) -> None:
    later = keys.generate_signing_key()
    index = published.parts().index
    trust = published.trust
    trust = replace(
        trust,
        registry=replace(dsse.signer("registry", later.public_pem), since=index + 2),
        former=(replace(trust.registry, until=index + 2),),
    )
    for key in (later, published.registry):
        found = verified(published, replace(published, registry=key).copy(HOSTS), trust)
        assert isinstance(found, Verified), found


def test_a_key_that_the_registry_gave_up_before_the_publication_signs_no_copy_of_it(
    published: Marked,
) -> None:
    old = keys.generate_signing_key()
    index = published.parts().index
    former = replace(dsse.signer("registry", old.public_pem), until=index)
    trust = replace(published.trust, former=(former,))
    found = verified(published, replace(published, registry=old).copy(HOSTS), trust)
    assert isinstance(found, Refused)
    assert found.code == "signature_invalid"
