"""OCI distribution 1.1, end-1 to end-13: what the specification says, call by call."""

import json
from collections.abc import Callable

import httpx2
import pytest

from registry.core import oci
from registry.usecases.access import Role
from tests.registry import artifacts
from tests.registry.artifacts import EMPTY, image, index, push, push_blob, put, refused
from tests.registry.publishing import digest_of

NOWHERE = digest_of(b"nowhere")
LAYER = bytes(range(256)) * 40


def test_the_root_says_that_this_is_a_registry(client_of: Callable[..., httpx2.Client]) -> None:
    answer = client_of().get("/v2/")
    assert refused(answer) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == 'Basic realm="plimsoll"'
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    for path in ("/v2/", "/v2"):
        assert client_of(Role.AUDITOR).get(path).status_code == 200


def test_a_token_is_taken_as_bearer_and_as_the_password_of_anybody(
    client_of: Callable[..., httpx2.Client],
) -> None:
    token = client_of(Role.HOST, "edge-1").headers["authorization"].removeprefix("Bearer ")
    assert client_of().get("/v2/", auth=("anybody", token)).status_code == 200
    assert client_of().get("/v1/trust", auth=("", token)).status_code == 200
    wrong = client_of().get("/v2/", auth=("anybody", token[:-1]))
    assert refused(wrong) == (401, "UNAUTHORIZED")
    for header in ("Basic", "Basic !!!", "Basic /w==", "Basic Og==", "Negotiate x"):
        answer = client_of().get("/v2/", headers={"Authorization": header})
        assert refused(answer) == (401, "UNAUTHORIZED")


def test_a_blob_is_pushed_in_one_request(client: httpx2.Client) -> None:
    digest = push_blob(client, "a/b", LAYER)
    answer = client.get(f"/v2/a/b/blobs/{digest}")
    assert (answer.status_code, answer.content) == (200, LAYER)
    assert answer.headers["docker-content-digest"] == digest
    head = client.head(f"/v2/a/b/blobs/{digest}")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(LAYER)))
    part = client.get(f"/v2/a/b/blobs/{digest}", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, LAYER[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(LAYER)}"


def test_a_blob_is_pushed_with_post_and_put(client: httpx2.Client) -> None:
    for path in ("/v2/x/blobs/uploads/", "/v2/x/blobs/uploads"):
        begun = client.post(path)
        assert (begun.status_code, begun.headers["range"]) == (202, "0-0")
        where = {"digest": digest_of(LAYER)}
        for _ in range(2):  # the second time as if the first answer had been lost
            answer = client.put(begun.headers["location"], params=where, content=LAYER)
            assert answer.status_code == 201
            assert answer.headers["location"] == f"/v2/x/blobs/{digest_of(LAYER)}"
    assert client.get(answer.headers["location"]).content == LAYER


@pytest.mark.parametrize("is_last_put", [True, False])
def test_a_blob_is_pushed_in_chunks(client: httpx2.Client, is_last_put: bool) -> None:
    location = client.post("/v2/x/blobs/uploads/").headers["location"]
    cuts = [(0, 4000), (4000, 8000), (8000, len(LAYER))]
    for start, stop in cuts[:-1] if is_last_put else cuts:
        headers = {"Content-Range": f"{start}-{stop - 1}"}
        answer = client.patch(location, content=LAYER[start:stop], headers=headers)
        assert (answer.status_code, answer.headers["range"]) == (202, f"0-{stop - 1}")
        location = answer.headers["location"]
        status = client.get(location)
        assert (status.status_code, status.headers["range"]) == (204, f"0-{stop - 1}")
    rest, headers = b"", {}
    if is_last_put:
        rest, headers = LAYER[8000:], {"Content-Range": f"8000-{len(LAYER) - 1}"}
    where = {"digest": digest_of(LAYER)}
    answer = client.put(location, params=where, content=rest, headers=headers)
    assert answer.status_code == 201
    assert client.get(answer.headers["location"]).content == LAYER


def test_chunks_without_a_range_just_follow(client: httpx2.Client) -> None:
    location = client.post("/v2/x/blobs/uploads/").headers["location"]
    client.patch(location, content=iter([LAYER[:5000]]))
    client.patch(location, content=LAYER[5000:])
    answer = client.put(location, params={"digest": digest_of(LAYER)})
    assert answer.status_code == 201


def test_a_chunk_out_of_order_is_refused_and_the_push_goes_on(client: httpx2.Client) -> None:
    location = client.post("/v2/x/blobs/uploads/").headers["location"]
    for method in ("PATCH", "PUT"):
        answer = client.request(
            method,
            location,
            params={"digest": digest_of(LAYER)},
            content=LAYER[5:10],
            headers={"Content-Range": "5-9"},
        )
        assert refused(answer) == (416, "BLOB_UPLOAD_INVALID")
    answer = client.put(location, params={"digest": digest_of(LAYER)}, content=LAYER)
    assert answer.status_code == 201


def test_bytes_of_another_digest_are_refused(client: httpx2.Client) -> None:
    location = client.post("/v2/x/blobs/uploads/").headers["location"]
    answer = client.put(location, params={"digest": NOWHERE}, content=LAYER)
    assert refused(answer) == (400, "DIGEST_INVALID")
    assert refused(client.get(location)) == (404, "BLOB_UPLOAD_UNKNOWN")
    answer = client.post("/v2/x/blobs/uploads/", params={"digest": NOWHERE}, content=LAYER)
    assert refused(answer) == (400, "DIGEST_INVALID")
    assert client.head(f"/v2/x/blobs/{NOWHERE}").status_code == 404


def test_a_push_is_given_up(client: httpx2.Client) -> None:
    location = client.post("/v2/x/blobs/uploads/").headers["location"]
    assert client.delete(location).status_code == 204
    assert refused(client.patch(location, content=b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_who_names_an_unknown_push_gets_no_blob_of_others(client: httpx2.Client) -> None:
    digest = push_blob(client, "theirs", LAYER)
    answer = client.put(f"/v2/mine/blobs/uploads/{'0' * 32}", params={"digest": digest})
    assert refused(answer) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert refused(client.get(f"/v2/mine/blobs/{digest}")) == (404, "BLOB_UNKNOWN")


def test_a_blob_is_read_only_where_it_was_pushed_or_mounted(client: httpx2.Client) -> None:
    digest = push_blob(client, "one", LAYER)
    assert refused(client.get(f"/v2/two/blobs/{digest}")) == (404, "BLOB_UNKNOWN")
    query = {"mount": digest, "from": "one"}
    answer = client.post("/v2/two/blobs/uploads/", params=query)
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v2/two/blobs/{digest}")
    assert client.get(f"/v2/two/blobs/{digest}").content == LAYER


@pytest.mark.parametrize("source", ["three", "No/Repository", ""])
def test_what_cannot_be_mounted_can_be_pushed(client: httpx2.Client, source: str) -> None:
    digest = push_blob(client, "one", LAYER)
    query = {"mount": digest} | ({"from": source} if source else {})
    answer = client.post("/v2/two/blobs/uploads/", params=query)
    assert answer.status_code == 202
    location = answer.headers["location"]
    assert client.put(location, params={"digest": digest}, content=LAYER).status_code == 201


def test_a_blob_is_taken_out_of_one_repository_alone(client: httpx2.Client) -> None:
    for repository in ("one", "two"):
        digest = push_blob(client, repository, LAYER)
    assert client.delete(f"/v2/one/blobs/{digest}").status_code == 202
    assert refused(client.get(f"/v2/one/blobs/{digest}")) == (404, "BLOB_UNKNOWN")
    assert refused(client.delete(f"/v2/one/blobs/{digest}")) == (404, "BLOB_UNKNOWN")
    assert client.get(f"/v2/two/blobs/{digest}").status_code == 200


def test_a_blob_that_a_manifest_needs_stays(client: httpx2.Client) -> None:
    manifest = push(client, "x", LAYER)
    where = f"/v2/x/blobs/{digest_of(LAYER)}"
    assert refused(client.delete(where)) == (405, "UNSUPPORTED")
    assert client.delete(f"/v2/x/manifests/{digest_of(manifest)}").status_code == 202
    assert client.delete(where).status_code == 202


def test_a_manifest_comes_back_byte_for_byte_by_tag_and_by_digest(client: httpx2.Client) -> None:
    manifest = push(client, "x", LAYER, reference="v1.0_a-b")
    digest = digest_of(manifest)
    for reference in ("v1.0_a-b", digest):
        for accept in (oci.IMAGE, oci.DOCKER_LIST, "*/*"):
            where = f"/v2/x/manifests/{reference}"
            answer = client.get(where, headers={"Accept": accept})
            assert (answer.status_code, answer.content) == (200, manifest)
            assert answer.headers["content-type"] == oci.IMAGE
            head = client.head(where)
            assert (head.status_code, head.content) == (200, b"")
            for name in ("docker-content-digest", "content-length", "content-type"):
                assert head.headers[name] == answer.headers[name]
    again = client.get(where, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_pushed_manifest_says_where_it_is(client: httpx2.Client) -> None:
    push_blob(client, "x", EMPTY)
    answer = put(client, "x", image(), "latest")
    assert answer.status_code == 201
    assert answer.headers["docker-content-digest"] == digest_of(image())
    assert client.get(answer.headers["location"]).content == image()
    assert "oci-subject" not in answer.headers


FORMATS = [
    (index(), oci.INDEX),
    (index(mediaType=oci.DOCKER_LIST), oci.DOCKER_LIST),
    (image(mediaType=oci.DOCKER_IMAGE), oci.DOCKER_IMAGE),
    (image(mediaType=None), oci.IMAGE),
    (image(layers=None), oci.IMAGE),
    (image(unknown={"field": [1.5]}), f"{oci.IMAGE}; charset=utf-8"),
    (image(), "application/json"),
    (image(), ""),
]


def test_every_current_format_is_taken(client: httpx2.Client) -> None:
    push_blob(client, "x", EMPTY)
    for content, media_type in FORMATS:
        assert put(client, "x", content, media_type=media_type).status_code == 201, content
        answer = client.get(f"/v2/x/manifests/{digest_of(content)}")
        assert answer.content == content
        assert answer.headers["content-type"] in {media_type.partition(";")[0], oci.IMAGE}


def test_an_index_needs_its_manifests_and_may_hold_another(client: httpx2.Client) -> None:
    missing = index(image(LAYER))
    assert refused(put(client, "x", missing, media_type=oci.INDEX)) == (
        400,
        "MANIFEST_BLOB_UNKNOWN",
    )
    one = index(push(client, "x", LAYER))
    assert put(client, "x", one, media_type=oci.INDEX).status_code == 201
    assert put(client, "x", index(one), "all", media_type=oci.INDEX).status_code == 201


def test_a_manifest_needs_its_blobs_where_it_is_pushed(client: httpx2.Client) -> None:
    push(client, "one", LAYER)
    push_blob(client, "two", EMPTY)
    assert refused(put(client, "two", image(LAYER))) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert refused(put(client, "two", image(), NOWHERE)) == (400, "DIGEST_INVALID")
    lies = artifacts.descriptor(EMPTY) | {"size": 3}
    assert refused(put(client, "two", image(layers=[lies]))) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert client.head("/v2/two/manifests/latest").status_code == 404


def test_a_layer_that_nobody_may_hand_on_need_not_be_here(client: httpx2.Client) -> None:
    push_blob(client, "x", EMPTY)
    kind = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    layer = artifacts.descriptor(LAYER, kind)
    assert refused(put(client, "x", image(layers=[layer]))) == (400, "MANIFEST_BLOB_UNKNOWN")
    elsewhere = layer | {"urls": ["https://store.example.com/layer"]}
    assert put(client, "x", image(layers=[elsewhere])).status_code == 201


BROKEN = [
    b"",
    b"[]",
    b"{",
    b'{"schemaVersion":2}',
    b"[" * 100_000,
    b"\xff",
    image(schemaVersion=1),
    image(mediaType="application/vnd.docker.distribution.manifest.v1+json"),
    image(mediaType=7),
    image(mediaType="nonsense"),
    image(config=[]),
    image(config={"mediaType": "a/b", "size": 1, "digest": "sha512:00"}),
    image(config={"mediaType": "a/b\u0000", "size": 1, "digest": NOWHERE}),
    image(layers={}),
    image(layers=["x"]),
    image(layers=[{"mediaType": "a/b", "size": -1, "digest": NOWHERE}]),
    index(subject="x"),
    image(artifactType="\u0000"),
    image(annotations=["x"]),
    image(annotations={"a": 1}),
    image(annotations={"a": "\ud800"}),
    index(manifests=[{"mediaType": "a/b", "size": 10**30, "digest": 7}]),
]


def test_a_broken_manifest_is_refused(client: httpx2.Client) -> None:
    push_blob(client, "x", EMPTY)
    for content in BROKEN:
        answer = put(client, "x", content, "tag")
        assert refused(answer) == (400, "MANIFEST_INVALID"), content[:200]
    assert client.head("/v2/x/manifests/tag").status_code == 404


def test_a_manifest_that_was_sent_as_something_else_is_refused(client: httpx2.Client) -> None:
    push_blob(client, "x", EMPTY)
    answer = put(client, "x", image(), "tag", media_type=oci.INDEX)
    assert refused(answer) == (400, "MANIFEST_INVALID")


def test_manifests_of_up_to_4_mib_are_taken(client: httpx2.Client) -> None:
    large = {f"note-{number}": "A" * 10_000 for number in range(390)}
    push(client, "x", annotations=large)
    larger = image(annotations=large | {"more": "A" * 400_000})
    assert refused(put(client, "x", larger)) == (413, "SIZE_INVALID")


def test_a_tag_moves_and_goes_alone_and_a_manifest_takes_its_tags_with_it(
    client: httpx2.Client,
) -> None:
    first = push(client, "x", b"first", reference="a")
    second = push(client, "x", b"second", reference="a")
    put(client, "x", second, "b")
    assert client.get("/v2/x/manifests/a").content == second
    assert client.get(f"/v2/x/manifests/{digest_of(first)}").content == first

    assert client.delete("/v2/x/manifests/a").status_code == 202
    assert refused(client.get("/v2/x/manifests/a")) == (404, "MANIFEST_UNKNOWN")
    assert refused(client.delete("/v2/x/manifests/a")) == (404, "MANIFEST_UNKNOWN")
    assert client.get("/v2/x/manifests/b").content == second

    assert client.delete(f"/v2/x/manifests/{digest_of(second)}").status_code == 202
    for reference in ("b", digest_of(second)):
        assert refused(client.get(f"/v2/x/manifests/{reference}")) == (404, "MANIFEST_UNKNOWN")
    assert client.get("/v2/x/tags/list").json() == {"name": "x", "tags": []}


def test_tags_are_listed_in_pages(client: httpx2.Client) -> None:
    for tag in ("b", "A", "a", "_1", "a-2", "a.1"):
        push(client, "my/app", reference=tag)
    ordered = ["A", "_1", "a", "a-2", "a.1", "b"]
    assert client.get("/v2/my/app/tags/list").json() == {"name": "my/app", "tags": ordered}
    found, where = [], "/v2/my/app/tags/list?n=2"
    while where:
        answer = client.get(where)
        found += answer.json()["tags"]
        where = answer.links.get("next", {}).get("url", "")
    assert found == ordered
    some = client.get("/v2/my/app/tags/list", params={"n": 3, "last": "a"}).json()["tags"]
    assert some == ["a-2", "a.1", "b"]
    assert client.get("/v2/my/app/tags/list", params={"n": 0}).json()["tags"] == []
    assert refused(client.get("/v2/no/app/tags/list")) == (404, "NAME_UNKNOWN")
    assert client.get("/v2/my/app/tags/list?n=-1").status_code == 400


def test_repositories_are_listed_in_pages(client: httpx2.Client) -> None:
    for name in ("b", "a/b", "a-c"):
        push_blob(client, name, EMPTY)
    assert client.get("/v2/_catalog").json() == {"repositories": ["a-c", "a/b", "b"]}
    page = client.get("/v2/_catalog?n=2")
    assert page.json() == {"repositories": ["a-c", "a/b"]}
    assert client.get(page.links["next"]["url"]).json() == {"repositories": ["b"]}


def test_referrers_are_found_whichever_came_first(client: httpx2.Client) -> None:
    subject = image(LAYER)
    early = push(client, "x", b"early", subject=subject, kind="test/sbom", annotations={"a": "1"})
    push(client, "x", LAYER)
    late = push(client, "x", b"late", subject=subject, kind="test/scan")
    about = index(artifactType="test/list", subject=artifacts.descriptor(subject, oci.IMAGE))
    answer = put(client, "x", about, media_type=oci.INDEX)
    assert answer.headers["oci-subject"] == digest_of(subject)

    found = artifacts.referrers(client, "x", digest_of(subject))
    assert {one["digest"] for one in found} == {digest_of(one) for one in (early, late, about)}
    [sbom] = [one for one in found if one["artifactType"] == "test/sbom"]
    assert sbom == artifacts.descriptor(early, oci.IMAGE) | {
        "artifactType": "test/sbom",
        "annotations": {"a": "1"},
    }
    assert artifacts.referrers(client, "y", digest_of(subject)) == []
    assert artifacts.referrers(client, "x", NOWHERE) == []


def test_referrers_are_filtered_by_type_and_a_config_can_be_the_type(
    client: httpx2.Client,
) -> None:
    subject = push(client, "x", LAYER)
    push(client, "x", b"1", subject=subject, kind="test/sbom")
    by_config = push(client, "x", b"2", subject=subject)
    path = f"/v2/x/referrers/{digest_of(subject)}"
    answer = client.get(path, params={"artifactType": artifacts.EMPTY_TYPE})
    assert answer.headers["oci-filters-applied"] == "artifactType"
    assert [one["digest"] for one in answer.json()["manifests"]] == [digest_of(by_config)]
    assert client.get(path, params={"artifactType": "no\u0000type"}).json()["manifests"] == []
    assert refused(client.get("/v2/x/referrers/sha256:1")) == (400, "DIGEST_INVALID")


WRONG = [
    ("GET", "/v2/UPPER/tags/list", (400, "NAME_INVALID")),
    ("GET", "/v2/a..b/manifests/x", (400, "NAME_INVALID")),
    ("POST", "/v2/-a/blobs/uploads/", (400, "NAME_INVALID")),
    ("GET", f"/v2/{'a' * 256}/manifests/x", (400, "NAME_INVALID")),
    ("GET", "/v2/x/manifests/.tag", (400, "NAME_INVALID")),
    ("GET", "/v2/x/manifests/a%00b", (400, "NAME_INVALID")),
    ("GET", "/v2/x/tags/list?last=%00", (400, "NAME_INVALID")),
    ("GET", "/v2/_catalog?last=%00", (400, "NAME_INVALID")),
    ("GET", "/v2/x/manifests/sha256:totallywrong", (400, "DIGEST_INVALID")),
    ("PUT", "/v2/x/manifests/sha256:totallywrong", (400, "DIGEST_INVALID")),
    ("GET", f"/v2/x/manifests/sha512:{'0' * 128}", (400, "DIGEST_INVALID")),
    ("GET", "/v2/x/blobs/sha256:00", (400, "DIGEST_INVALID")),
    ("DELETE", "/v2/x/blobs/sha256:00", (400, "DIGEST_INVALID")),
    ("POST", "/v2/x/blobs/uploads/?digest=sha512:00", (400, "DIGEST_INVALID")),
    ("POST", "/v2/x/blobs/uploads/?mount=x", (400, "DIGEST_INVALID")),
    ("PUT", "/v2/x/blobs/uploads/nothing", (400, "BLOB_UPLOAD_INVALID")),
    ("GET", "/v2/x/blobs/uploads/..%2f..%2fetc", (404, "BLOB_UPLOAD_UNKNOWN")),
    ("GET", "/v2/x/manifests/none", (404, "MANIFEST_UNKNOWN")),
    ("GET", f"/v2/x/blobs/{NOWHERE}", (404, "BLOB_UNKNOWN")),
    ("GET", "/v2/x/elsewhere", (404, "NAME_UNKNOWN")),
    ("POST", "/v2/x/manifests/tag", (405, "UNSUPPORTED")),
]


def test_a_wrong_request_is_told_in_the_specifications_words(client: httpx2.Client) -> None:
    for method, path, expected in WRONG:
        assert refused(client.request(method, path)) == expected, path


def test_only_publishers_push_and_delete(client_of: Callable[..., httpx2.Client]) -> None:
    for role in (Role.HOST, Role.AUDITOR, Role.RECONCILER):
        client = client_of(role)
        assert refused(client.post("/v2/x/blobs/uploads/")) == (403, "DENIED")
        assert refused(put(client, "x", image(), "tag")) == (403, "DENIED")
        assert refused(client.delete("/v2/x/manifests/tag")) == (403, "DENIED")


def test_what_is_pushed_and_deleted_is_logged_once(client: httpx2.Client) -> None:
    subject = digest_of(b"subject")
    manifest = push(client, "x", reference="a", subject=b"subject")
    put(client, "x", manifest, "a")
    put(client, "x", manifest)
    client.delete(f"/v2/x/manifests/{digest_of(manifest)}")
    page = client.get("/log/entries", params={"start": 0}).json()["entries"]
    leaves = [json.loads(_leaf(one["leaf"])) for one in page]
    ours = [one for one in leaves if one["kind"].startswith("artifact")]
    assert [(one["kind"], one["digest"]) for one in ours] == [
        ("artifact_pushed", digest_of(manifest)),
        ("artifact_deleted", digest_of(manifest)),
    ]
    assert ours[0]["detail"] == {
        "repository": "x",
        "tag": "a",
        "mediaType": oci.IMAGE,
        "subject": subject,
    }
    assert ours[1]["detail"] == {"repository": "x", "tags": ["a"], "manifest": True}


def _leaf(encoded: str) -> bytes:
    import base64

    return base64.b64decode(encoded)


def test_a_blob_of_no_bytes_is_a_blob(client: httpx2.Client) -> None:
    digest = push_blob(client, "x", b"")
    location = client.post("/v2/x/blobs/uploads/").headers["location"]
    assert client.put(location, params={"digest": digest}).status_code == 201
    answer = client.get(f"/v2/x/blobs/{digest}")
    assert (answer.status_code, answer.content) == (200, b"")
    beyond = client.get(f"/v2/x/blobs/{digest}", headers={"Range": "bytes=5-"})
    assert beyond.status_code == 416
