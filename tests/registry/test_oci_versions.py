"""A model is an OCI repository: versions, variants, aliases, signatures; and what others add."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from registry import errors
from registry.api.server import Server
from registry.core import manifest, oci, oci_documents
from registry.db import migrate, tables, versions
from registry.db import retention as retention_rows
from registry.usecases import aliases, catalogue, oci_blobs, oci_manifests, publish
from registry.usecases import oci as repositories
from registry.usecases.access import Role
from registry.usecases.aliases import Move
from registry.usecases.oci_manifests import Push
from registry.usecases.opening import Registry
from tests.registry import artifacts
from tests.registry.artifacts import EMPTY, image, push_blob, put, refused
from tests.registry.publishing import ALICE, Publisher, digest_of, onnx_model, store

FILES = {"model.onnx": onnx_model(), "labels.txt": b"0 1 2"}
INT8 = {"model.onnx": onnx_model(2.0)}


@pytest.fixture
def digits(server: Server, alice: Publisher) -> Registry:
    """Version 1 in two variants, version 2 in one; champion is version 1."""
    return published(server.app.state.registry, alice)


def published(registry: Registry, alice: Publisher) -> Registry:
    store(registry, FILES | {"int8": INT8["model.onnx"]})
    publish.publish(registry, alice.draft(FILES), ALICE)
    publish.add_variant(registry, alice.draft(INT8, version=1, variant="onnx-int8"), ALICE)
    publish.publish(registry, alice.draft(INT8), ALICE)
    aliases.move(registry, Move("digits", "champion", 1, "it is the best"), ALICE)
    return registry


def test_versions_variants_and_aliases_are_tags(digits: Registry, client: httpx2.Client) -> None:
    tags = ["1", "1-onnx", "1-onnx-int8", "2", "2-onnx", "champion"]
    assert client.get("/v2/digits/tags/list").json()["tags"] == tags
    page = client.get("/v2/digits/tags/list", params={"n": 2, "last": "1-onnx"})
    assert page.json()["tags"] == ["1-onnx-int8", "2"]
    assert "last=2" in page.links["next"]["url"]
    assert client.get("/v2/_catalog").json() == {"repositories": ["digits"]}
    version = catalogue.version(digits, "digits", 1)
    for tag in ("1", "1-onnx", "champion", version.digest):
        answer = client.get(f"/v2/digits/manifests/{tag}")
        assert answer.headers["docker-content-digest"] == version.digest
        assert digest_of(answer.content) == version.digest
    int8 = client.get("/v2/digits/manifests/1-onnx-int8").headers["docker-content-digest"]
    assert int8 != version.digest


def test_a_version_is_pulled_whole(digits: Registry, client: httpx2.Client) -> None:
    answer = client.get("/v2/digits/manifests/1")
    assert answer.headers["content-type"] == oci.IMAGE
    said = manifest.parse(answer.content)
    pulled = {
        file.path: client.get(f"/v2/digits/blobs/{file.digest}").content for file in said.files
    }
    assert pulled == FILES
    config = client.get(f"/v2/digits/blobs/{said.config}")
    assert digest_of(config.content) == said.config
    head = client.head(f"/v2/digits/blobs/{said.config}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(config.content))


def test_signatures_are_referrers_of_a_version(digits: Registry, client: httpx2.Client) -> None:
    for tag in ("1", "1-onnx-int8"):
        digest = client.head(f"/v2/digits/manifests/{tag}").headers["docker-content-digest"]
        listed = artifacts.referrers(client, "digits", digest)
        assert [one["artifactType"] for one in listed] == [oci_documents.BUNDLE_TYPE] * 2
        with digits.database.reading() as session:
            [row] = [row for row in versions.variants(session, 1) if row.digest == digest]
        bundles = set()
        for one in listed:
            answer = client.get(f"/v2/digits/manifests/{one['digest']}")
            assert (digest_of(answer.content), len(answer.content)) == (one["digest"], one["size"])
            carried = answer.json()
            assert carried["subject"]["digest"] == digest
            [layer] = carried["layers"]
            bundle = client.get(f"/v2/digits/blobs/{layer['digest']}").content
            assert len(bundle) == layer["size"]
            bundles.add(bundle)
            empty = client.get(f"/v2/digits/blobs/{carried['config']['digest']}")
            assert empty.content == b"{}"
        assert bundles == {row.publisher_bundle, row.registry_bundle}


def test_evidence_by_others_is_listed_beside_the_signatures(
    digits: Registry, client: httpx2.Client
) -> None:
    version = client.get("/v2/digits/manifests/1").content
    # The empty config need not be pushed: the repository has it already.
    push_blob(client, "digits", b"all tests passed")
    about = image(b"all tests passed", subject=version, kind="test/result")
    answer = put(client, "digits", about)
    assert (answer.status_code, answer.headers["oci-subject"]) == (201, digest_of(version))
    found = artifacts.referrers(client, "digits", digest_of(version))
    assert len(found) == 3
    query = {"artifactType": "test/result"}
    [one] = artifacts.referrers(client, "digits", digest_of(version), **query)
    assert one["digest"] == digest_of(about)


def test_what_says_which_version_it_is_cannot_be_pushed(
    digits: Registry, client: httpx2.Client
) -> None:
    before = client.get("/v2/digits/tags/list").json()
    push_blob(client, "digits", EMPTY)
    for tag in ("1", "7", "1-onnx", "7-anything", "007", "champion"):
        answer = put(client, "digits", image(), tag)
        assert refused(answer) == (403, "DENIED"), tag
        assert "publish" in answer.json()["errors"][0]["message"]
        assert refused(client.delete(f"/v2/digits/manifests/{tag}")) == (403, "DENIED")
    assert client.get("/v2/digits/tags/list").json() == before


def test_what_belongs_to_a_version_cannot_be_deleted(
    digits: Registry, client: httpx2.Client
) -> None:
    version = client.get("/v2/digits/manifests/1")
    said = manifest.parse(version.content)
    [evidence, _] = artifacts.referrers(client, "digits", digest_of(version.content))
    for digest in (digest_of(version.content), evidence["digest"]):
        assert refused(client.delete(f"/v2/digits/manifests/{digest}")) == (403, "DENIED")
    for digest in (said.config, said.files[0].digest, digest_of(EMPTY)):
        assert refused(client.delete(f"/v2/digits/blobs/{digest}")) == (403, "DENIED")
        assert client.get(f"/v2/digits/blobs/{digest}").status_code == 200


def test_a_version_gets_a_tag_of_ones_own_and_is_copied_elsewhere(
    digits: Registry, client: httpx2.Client
) -> None:
    version = client.get("/v2/digits/manifests/1").content
    assert put(client, "digits", version, "mine").status_code == 201
    assert client.get("/v2/digits/manifests/mine").content == version
    assert client.delete("/v2/digits/manifests/mine").status_code == 202

    said = manifest.parse(version)
    for digest in (said.config, *(file.digest for file in said.files)):
        query = {"mount": digest, "from": "digits"}
        assert client.post("/v2/copies/blobs/uploads/", params=query).status_code == 201
    assert put(client, "copies", version, "1").status_code == 201
    assert client.get("/v2/copies/manifests/1").content == version
    assert client.get(f"/v2/copies/blobs/{said.config}").status_code == 200
    assert artifacts.referrers(client, "copies", digest_of(version)) == []


def test_an_image_in_a_models_repository_is_like_any_other(
    digits: Registry, client: httpx2.Client
) -> None:
    pushed = artifacts.push(client, "digits", b"notes", reference="notes")
    assert client.get("/v2/digits/manifests/notes").content == pushed
    assert "notes" in client.get("/v2/digits/tags/list").json()["tags"]
    assert client.delete(f"/v2/digits/manifests/{digest_of(pushed)}").status_code == 202


def test_what_a_host_pulls_is_logged_before_it_gets_it(
    digits: Registry, client: httpx2.Client, client_of: Callable[..., httpx2.Client]
) -> None:
    host = client_of(Role.HOST, "edge-1")
    digest = host.head("/v2/digits/manifests/1-onnx-int8").headers["docker-content-digest"]
    client.get("/v2/digits/manifests/1")
    artifacts.push(client, "other", reference="1")
    host.get("/v2/other/manifests/1")
    assert pulls(digits) == []
    host.get("/v2/digits/manifests/1-onnx-int8")
    assert pulls(digits) == [("edge-1", digest, 1)]


def pulls(registry: Registry) -> list[tuple[str, str, int]]:
    found = [one.entry for one in catalogue.latest(registry, limit=50)]
    return [(one.host, one.digest, one.version) for one in found if one.kind == "pulled"]


def test_a_version_that_is_gone_is_not_there(digits: Registry, client: httpx2.Client) -> None:
    said = manifest.parse(client.get("/v2/digits/manifests/1").content)
    with digits.database.writing() as session:
        version = versions.version(session, "digits", 1)
        version.status = tables.EXPIRED
        session.commit()
    for reference in ("1", "champion", "1-onnx-int8", version.digest):
        answer = client.get(f"/v2/digits/manifests/{reference}")
        assert refused(answer) == (404, "MANIFEST_UNKNOWN")
    for digest in (said.config, said.files[0].digest):
        assert refused(client.get(f"/v2/digits/blobs/{digest}")) == (404, "BLOB_UNKNOWN")
    assert client.get("/v2/digits/tags/list").json()["tags"] == ["2", "2-onnx"]


def test_everything_is_the_same_on_every_database(registry: Registry, alice: Publisher) -> None:
    published(registry, alice)
    names = [*"bAa_", "a-2", "a.1", "1-x"]
    for name in names:
        pushed(registry, "my/app", EMPTY, tag=name)
    assert repositories.tags(registry, "my/app", limit=99, after="").items == tuple(sorted(names))
    assert repositories.tags(registry, "my/app", limit=1, after="a").items == ("a-2",)
    assert repositories.catalogue(registry, limit=9, after="").items == ("digits", "my/app")
    assert repositories.catalogue(registry, limit=1, after="").last == "digits"
    assert repositories.catalogue(registry, limit=9, after="digits").items == ("my/app",)
    subject = repositories.manifest(registry, "digits", "1")
    pushed(registry, "digits", b"evidence", subject=subject.content)
    asked = {"artifact_type": "", "after": ""}
    found = repositories.referrers(registry, "digits", subject.digest, **asked)
    assert len(found.items) == 3
    assert repositories.manifest(registry, "digits", str(found.items[0]["digest"])).version == 0
    with pytest.raises(errors.NotFound):
        repositories.manifest(registry, "digits", f"{2**63}")


def test_versions_that_were_there_before_get_their_evidence(
    registry: Registry, alice: Publisher
) -> None:
    published(registry, alice)
    subject = repositories.manifest(registry, "digits", "1").digest
    asked = {"artifact_type": "", "after": ""}
    before = repositories.referrers(registry, "digits", subject, **asked)
    migrate.to(registry.database, "0003")
    migrate.to_head(registry.database)
    assert repositories.referrers(registry, "digits", subject, **asked) == before
    assert len(before.items) == 2


def test_of_many_pushes_of_one_tag_one_wins_whole(registry: Registry) -> None:
    layers = [f"layer {number}".encode() for number in range(8)]
    keep(registry, "x", EMPTY, *layers)
    made: dict[str, bytes] = {}
    gate = threading.Barrier(len(layers))

    def race(layer: bytes) -> None:
        gate.wait(60)
        for _ in range(3):
            found = oci_manifests.push(registry, sent("x", "tag", image(layer)), ALICE)
            made[found.digest] = layer

    threads = [threading.Thread(target=race, args=(layer,)) for layer in layers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = repositories.manifest(registry, "x", "tag")
    assert winner.content == image(made[winner.digest])
    assert len(made) == len(layers)
    for digest, layer in made.items():
        assert repositories.manifest(registry, "x", digest).content == image(layer)


def test_of_many_pushes_of_the_same_manifest_one_is_logged(registry: Registry) -> None:
    keep(registry, "x", EMPTY)
    gate = threading.Barrier(6)
    failures: list[Exception] = []

    def race() -> None:
        try:
            gate.wait(60)
            oci_manifests.push(registry, sent("x", "tag", image()), ALICE)
        except errors.PlimsollError as error:
            failures.append(error)

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logged = [one.entry.kind for one in catalogue.latest(registry, limit=50)]
    assert failures == []
    assert logged.count("artifact_pushed") == 1  # type: ignore[comparison-overlap]


def test_a_sweep_spares_what_a_manifest_refers_to_and_a_push_pardons(registry: Registry) -> None:
    used, unused = digest_of(b"used"), digest_of(b"unused")
    pushed(registry, "x", b"used", tag="tag")
    keep(registry, "x", b"unused")
    later = datetime.now(UTC) + timedelta(days=1)
    both = [used, unused]
    with registry.database.writing() as session:
        assert retention_rows.condemn(session, both, before=later, at=later) == [unused]
        assert retention_rows.referrers_of(session, both) == {used: ["an OCI manifest"]}
        session.commit()
    pushed(registry, "x", b"unused", is_kept=False)
    with registry.database.writing() as session:
        assert retention_rows.due(session, both, before=later) == []
        retention_rows.forget(session, [digest_of(b"never there")])
        session.commit()
    oci_manifests.delete(registry, "x", "tag", ALICE)
    with registry.database.reading() as session:
        assert set(retention_rows.referrers_of(session, both)) == set(both)


def keep(registry: Registry, repository: str, *contents: bytes) -> None:
    store(registry, {str(number): content for number, content in enumerate(contents)})
    for content in contents:
        assert oci_blobs.link(registry, repository, digest_of(content))


def pushed(
    registry: Registry,
    repository: str,
    layer: bytes,
    *,
    tag: str = "",
    subject: bytes | None = None,
    is_kept: bool = True,
) -> str:
    if is_kept:
        keep(registry, repository, EMPTY, layer)
    content = image(layer, subject=subject)
    return oci_manifests.push(registry, sent(repository, tag, content), ALICE).digest


def sent(repository: str, tag: str, content: bytes) -> Push:
    assert json.loads(content)["schemaVersion"] == 2
    return Push(repository, tag or digest_of(content), content, oci.IMAGE)
