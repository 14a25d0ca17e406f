"""Past the registry: blobs go to and from the object store by addresses that expire."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from registry.settings import Limits, Settings
from registry.store.objects import Objects
from tests.registry.publishing import digest_of, upload

MIB = 1024**2
DATA = os.urandom(9 * MIB + 3)
DIGEST = digest_of(DATA)
LIMITS = Limits(max_file_bytes=2 * 1024**3)


@pytest.fixture
def client(
    bucket: str, settings: Settings, client_of_registry: Callable[[Settings], httpx2.Client]
) -> httpx2.Client:
    """Of a registry whose blobs are in an object store."""
    return client_of_registry(replace(settings, storage=bucket, limits=LIMITS))


@pytest.fixture
def elsewhere() -> Iterator[httpx2.Client]:
    """A client without a token of ours."""
    with httpx2.Client(timeout=60) as opened:
        yield opened


def begin(client: httpx2.Client, size: int) -> dict[str, Any]:
    answer = client.post("/v1/uploads", params={"direct": True, "size": size})
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["location"]
    document: dict[str, Any] = answer.json()
    return document


def put_parts(elsewhere: httpx2.Client, direct: dict[str, Any], data: bytes) -> None:
    for part in direct["parts"]:
        content = data[part["start"] : part["stop"]]
        sent = elsewhere.request(
            direct["method"], part["url"], content=content, headers=direct["headers"]
        )
        assert sent.is_success


def test_a_blob_is_put_into_the_store_and_named_once_its_digest_is_proven(
    client: httpx2.Client, elsewhere: httpx2.Client
) -> None:
    begun = begin(client, len(DATA))
    put_parts(elsewhere, begun["direct"], DATA)
    assert client.get(begun["location"]).headers["upload-offset"] == str(len(DATA))
    assert client.head(f"/v1/blobs/{DIGEST}").status_code == 404
    answer = client.put(begun["location"], params={"digest": DIGEST})
    assert answer.status_code == 201
    assert client.get(f"/v1/blobs/{DIGEST}").content == DATA


def test_bytes_of_another_digest_get_no_name(
    client: httpx2.Client, elsewhere: httpx2.Client
) -> None:
    begun = begin(client, len(DATA))
    put_parts(elsewhere, begun["direct"], DATA[:-1] + b"x")
    answer = client.put(begun["location"], params={"digest": DIGEST})
    assert (answer.status_code, answer.json()["code"]) == (400, "digest_mismatch")
    assert client.head(f"/v1/blobs/{DIGEST}").status_code == 404
    assert client.get(begun["location"]).status_code == 404


def test_what_is_put_after_the_finish_changes_nothing_and_expires(
    client: httpx2.Client, elsewhere: httpx2.Client, bucket: str
) -> None:
    begun = begin(client, len(DATA))
    put_parts(elsewhere, begun["direct"], DATA)
    assert client.put(begun["location"], params={"digest": DIGEST}).status_code == 201
    put_parts(elsewhere, begun["direct"], b"x" * len(DATA))
    assert client.get(f"/v1/blobs/{DIGEST}").content == DATA
    assert client.get(begun["location"]).status_code == 404
    left = [found.key for found in Objects(bucket, seconds=60).list("uploads")]
    assert left == [f"uploads/{begun['upload']}/{0:020d}"]


def test_an_upload_begun_past_the_registry_can_be_ended_through_it(
    client: httpx2.Client,
) -> None:
    begun = begin(client, len(DATA))
    assert client.patch(begun["location"], content=DATA[:MIB]).status_code == 202
    answer = client.put(begun["location"], params={"digest": DIGEST}, content=DATA[MIB:])
    assert answer.status_code == 201


def test_a_large_file_is_put_in_parts(client: httpx2.Client) -> None:
    size = 1200 * MIB
    parts = begin(client, size)["direct"]["parts"]
    assert len(parts) == 3
    assert [part["start"] for part in parts[1:]] == [part["stop"] for part in parts[:-1]]
    assert (parts[0]["start"], parts[-1]["stop"]) == (0, size)


def test_a_file_over_the_limit_gets_no_addresses(client: httpx2.Client) -> None:
    parameters = {"direct": True, "size": LIMITS.max_file_bytes + 1}
    answer = client.post("/v1/uploads", params=parameters)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_download_is_sent_to_the_store_where_that_was_asked_for(
    client: httpx2.Client, elsewhere: httpx2.Client
) -> None:
    upload(client, DATA)
    path = f"/v1/blobs/{DIGEST}?direct=true"
    answer = client.get(path)
    assert answer.status_code == 307
    assert answer.headers["cache-control"] == "no-store"
    link = answer.headers["location"]
    assert elsewhere.get(link).content == DATA
    part = elsewhere.get(link, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, DATA[5:10])
    assert client.head(path).status_code == 200
    assert client.get(f"/v1/blobs/{DIGEST}").content == DATA


def test_downloads_are_sent_to_the_store_where_the_settings_say_so(
    bucket: str, settings: Settings, client_of_registry: Callable[[Settings], httpx2.Client]
) -> None:
    wanted = replace(settings, storage=bucket, limits=LIMITS, direct_downloads=True)
    client = client_of_registry(wanted)
    upload(client, DATA)
    assert client.get(f"/v1/blobs/{DIGEST}").status_code == 307
    assert client.get(f"/v1/blobs/{DIGEST}", follow_redirects=True).content == DATA
    assert client.get(f"/v1/blobs/{DIGEST}?direct=false").content == DATA


def test_a_folder_says_that_it_offers_no_such_thing(
    settings: Settings, client_of_registry: Callable[[Settings], httpx2.Client]
) -> None:
    client = client_of_registry(replace(settings, limits=LIMITS, direct_downloads=True))
    begun = begin(client, len(DATA))
    assert begun["direct"] is None
    answer = client.put(begun["location"], params={"digest": DIGEST}, content=DATA)
    assert answer.status_code == 201
    answer = client.get(f"/v1/blobs/{DIGEST}?direct=true")
    assert (answer.status_code, answer.headers["direct-transfer"]) == (200, "not offered")
    assert answer.content == DATA
