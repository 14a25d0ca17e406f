"""One version in several formats: each variant with its own identity and its own proof."""

import threading

import httpx2
import pytest

from registry import errors
from registry.core import envelope
from registry.core.facts import Facts
from registry.usecases import catalogue, log, publish, pull
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store
from tests.registry.publishing import publish as publish_over_http

FILES = {"model.onnx": onnx_model()}
SMALL = {"model.onnx": onnx_model(0.5)}
EDGE = Caller(Role.HOST, "edge-1")


def with_two(registry: Registry, alice: Publisher) -> publish.Published:
    store(registry, FILES | {"small.onnx": SMALL["model.onnx"]})
    said = Facts(licence="MIT", commit="c0ffee", repository="https://git.example/digits")
    publish.publish(registry, alice.draft(FILES, said=said), ALICE)
    draft = alice.draft(SMALL, version=1, variant="onnx-int8")
    return publish.add_variant(registry, draft, ALICE)


def test_a_variant_is_proven_by_itself_and_the_version_keeps_its_identity(
    registry: Registry, alice: Publisher
) -> None:
    added = with_two(registry, alice)
    first, second = added.version.variants
    assert added.is_new
    assert added.version.digest == first.digest != second.digest
    assert (first.name, second.name) == ("onnx", "onnx-int8")
    for variant in (first, second):
        bundle = pull.bundle(registry, pull.Asked("digits", 1, variant.name), EDGE)
        wanted = envelope.Wanted("digits", 1, variant.digest)
        verified = envelope.verify(bundle, registry.trust_root(), wanted)
        assert isinstance(verified, envelope.Verified)
        assert verified.files[0].digest == variant.files[0].digest


def test_what_is_said_of_the_version_is_in_every_variants_descriptor(
    registry: Registry, alice: Publisher
) -> None:
    with_two(registry, alice)
    with registry.database.reading() as session:
        from registry.db import versions

        found = versions.variants(session, versions.version(session, "digits", 1).id)
        for variant in found:
            for said in (b'"revision":"c0ffee"', b'"licenses":["MIT"]', b"https://git.example"):
                assert said in variant.config


def test_a_host_gets_the_first_variant_unless_it_names_another_by_name_or_digest(
    registry: Registry, alice: Publisher
) -> None:
    first, second = with_two(registry, alice).version.variants
    plain = pull.bundle(registry, pull.Asked("digits", 1), ALICE)
    by_digest = pull.bundle(registry, pull.Asked("digits", 1, digest=second.digest), ALICE)
    assert first.digest.encode() in plain
    assert second.digest.encode() in by_digest
    with pytest.raises(errors.NotFound, match="no variant 'tflite'"):
        pull.bundle(registry, pull.Asked("digits", 1, "tflite"), ALICE)


def test_adding_the_same_variant_again_changes_nothing(
    registry: Registry, alice: Publisher
) -> None:
    with_two(registry, alice)
    size = log.size(registry)
    again = publish.add_variant(registry, alice.draft(SMALL, version=1, variant="onnx-int8"), ALICE)
    assert not again.is_new
    assert log.size(registry) == size


@pytest.mark.parametrize(
    ("files", "variant"), [(FILES, "onnx-int8"), (SMALL, "onnx"), (SMALL, "another")]
)
def test_a_variant_never_changes_and_its_files_are_one_variants(
    registry: Registry, alice: Publisher, files: dict[str, bytes], variant: str
) -> None:
    with_two(registry, alice)
    with pytest.raises(errors.Conflict, match="has the variant"):
        publish.add_variant(registry, alice.draft(files, version=1, variant=variant), ALICE)
    assert len(catalogue.version(registry, "digits", 1).variants) == 2


def test_a_variant_of_nothing_is_not_found(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES)
    with pytest.raises(errors.NotFound):
        publish.add_variant(registry, alice.draft(FILES, version=1), ALICE)


def test_of_two_who_add_one_variant_at_once_one_wins(registry: Registry, alice: Publisher) -> None:
    with_two(registry, alice)
    models = [{"model.onnx": onnx_model(float(number))} for number in range(3, 7)]
    outcomes: list[str] = []
    for files in models:
        store(registry, files)

    def add(files: dict[str, bytes]) -> None:
        try:
            publish.add_variant(registry, alice.draft(files, version=1, variant="third"), ALICE)
            outcomes.append("won")
        except errors.Conflict:
            outcomes.append("told")

    threads = [threading.Thread(target=add, args=(files,)) for files in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["told", "told", "told", "won"]
    assert len(catalogue.version(registry, "digits", 1).variants) == 3


def test_a_variant_is_added_over_http(client: httpx2.Client, alice: Publisher) -> None:
    publish_over_http(client, alice, FILES)
    from tests.registry.publishing import upload

    upload(client, SMALL["model.onnx"])
    body = alice.body(SMALL) | {"variant": "onnx-int8"}
    del body["version"]
    answer = client.post("/v1/models/digits/versions/1/variants", json=body)
    assert answer.status_code == 201, answer.text
    document = client.get("/v1/models/digits/versions/1").json()
    assert [one["name"] for one in document["variants"]] == ["onnx", "onnx-int8"]
    assert document["digest"] == document["variants"][0]["digest"]
    assert client.post("/v1/models/digits/versions/1/variants", json=body).status_code == 200
