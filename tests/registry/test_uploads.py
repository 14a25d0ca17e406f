"""Uploads over a real connection: resumed, refused, and never half-stored."""

import errno
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from registry.api.server import Server
from registry.settings import Limits, Settings
from registry.usecases.access import Role
from tests.registry.publishing import digest_of, upload

DATA = os.urandom(3 * 1024 * 1024 + 11)


def begin(client: httpx2.Client) -> str:
    answer = client.post("/v1/uploads")
    assert answer.status_code == 202
    return answer.headers["location"]


def stored(server: Server) -> list[str]:
    return list(server.app.state.registry.blobs.digests())


def stored_under(storage: Path) -> list[Path]:
    return list(storage.glob("sha256/*/*"))


def spool_of(server: Server) -> list[Path]:
    return list(server.app.state.registry.uploads.spool.iterdir())


def test_an_upload_in_one_piece_is_kept_under_its_digest(
    server: Server, client: httpx2.Client
) -> None:
    digest = upload(client, DATA)
    assert stored(server) == [digest]
    assert spool_of(server) == []
    assert client.get(f"/v1/blobs/{digest}").content == DATA


def test_an_upload_in_chunks_says_how_far_it_is(client: httpx2.Client) -> None:
    location = begin(client)
    for start in range(0, len(DATA), 1_000_000):
        chunk = DATA[start : start + 1_000_000]
        last = start + len(chunk) - 1
        answer = client.patch(location, content=chunk, headers={"Content-Range": f"{start}-{last}"})
        assert (answer.status_code, answer.headers["range"]) == (202, f"0-{last}")
        assert client.get(location).headers["range"] == f"0-{last}"
    answer = client.put(location, params={"digest": digest_of(DATA)})
    assert answer.status_code == 201
    assert client.get(answer.headers["location"]).content == DATA


def test_a_wrong_digest_is_refused_and_nothing_is_kept(
    server: Server, client: httpx2.Client
) -> None:
    location = begin(client)
    answer = client.put(location, params={"digest": digest_of(b"other")}, content=DATA)
    assert (answer.status_code, answer.json()["code"]) == (400, "digest_mismatch")
    assert stored(server) == []
    assert spool_of(server) == []
    assert client.get(location).status_code == 404


@pytest.mark.parametrize("start", [0, 999, 1001, 5000])
def test_an_out_of_order_chunk_is_refused_and_the_upload_goes_on(
    client: httpx2.Client, start: int
) -> None:
    location = begin(client)
    client.patch(location, content=DATA[:1000])
    content_range = f"{start}-{start + 9}"
    answer = client.patch(
        location, content=DATA[start : start + 10], headers={"Content-Range": content_range}
    )
    assert (answer.status_code, answer.json()["code"]) == (416, "upload_out_of_order")
    assert "1000" in answer.json()["fix"]
    answer = client.put(location, params={"digest": digest_of(DATA)}, content=DATA[1000:])
    assert answer.status_code == 201


@pytest.mark.parametrize("content_range", ["5", "9-0", "a-b", "0-9999", "bytes 0-3/2/1"])
def test_a_malformed_content_range_is_refused(client: httpx2.Client, content_range: str) -> None:
    answer = client.patch(begin(client), content=b"1234", headers={"Content-Range": content_range})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_an_upload_over_the_limit_is_refused_before_it_is_sent(
    server: Server, client: httpx2.Client
) -> None:
    location = begin(client)
    answer = client.patch(location, content=bytes(8 * 1024**2 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert client.get(location).headers["upload-offset"] == "0"


def test_an_upload_over_the_limit_is_refused_where_its_size_was_not_said(
    server: Server, client: httpx2.Client
) -> None:
    location = begin(client)
    pieces = (bytes(1024**2) for _ in range(12))
    try:
        answer = client.patch(location, content=pieces)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    except httpx2.WriteError:
        pass  # the server hung up on us in the middle, as it should
    [file] = spool_of(server)
    assert file.stat().st_size <= 8 * 1024**2


def test_a_half_finished_upload_goes_on_where_it_stopped(
    server: Server, client: httpx2.Client
) -> None:
    location = begin(client)
    with socket.create_connection(server.sockets[0].getsockname()) as broken:
        head = (
            f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(DATA)}\r\n"
            f"Authorization: {client.headers['authorization']}\r\n\r\n"
        )
        broken.sendall(head.encode() + DATA[:-5])
        eventually(lambda: int(client.get(location).headers["upload-offset"]) > 0)
    eventually(lambda: client.patch(location, content=b"").status_code == 202)
    offset = int(client.get(location).headers["upload-offset"])
    assert 0 < offset < len(DATA)
    answer = client.put(location, params={"digest": digest_of(DATA)}, content=DATA[offset:])
    assert answer.status_code == 201
    assert client.get(answer.headers["location"]).content == DATA


def eventually(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_finished_upload_can_be_finished_again_where_the_answer_was_lost(
    client: httpx2.Client,
) -> None:
    location = begin(client)
    for _ in range(2):
        answer = client.put(location, params={"digest": digest_of(b"abc")}, content=b"abc")
        assert answer.status_code == 201


def test_an_aborted_upload_leaves_nothing(server: Server, client: httpx2.Client) -> None:
    location = begin(client)
    client.patch(location, content=b"abc")
    assert client.delete(location).status_code == 204
    assert client.get(location).status_code == 404
    assert spool_of(server) == []


@pytest.mark.parametrize("name", ["..%2f..%2fregistry.db", "x", "A" * 32, "%2e%2e"])
def test_an_upload_that_never_began_is_not_found(client: httpx2.Client, name: str) -> None:
    assert client.patch(f"/v1/uploads/{name}", content=b"x").status_code == 404


def test_a_full_disk_is_said_and_the_upload_can_be_resumed(
    full_disk: Path, settings: Settings, client_of_registry: Callable[[Settings], httpx2.Client]
) -> None:
    roomy = replace(settings, storage=str(full_disk), limits=Limits(max_file_bytes=2**30))
    client = client_of_registry(roomy)
    location = begin(client)
    for size in (6 * 1024**2, None):
        content = DATA * 2 if size else (DATA for _ in range(2))
        answer = client.patch(location, content=content)
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert stored_under(full_disk) == []
    (full_disk / "ballast").unlink()
    offset = int(client.get(location).headers["upload-offset"])
    answer = client.put(
        location, params={"digest": digest_of(DATA * 2)}, content=(DATA * 2)[offset:]
    )
    assert answer.status_code == 201


def test_the_error_of_another_kind_than_a_full_disk_is_not_hidden(tmp_path: Path) -> None:
    from registry.store import durable

    with pytest.raises(OSError, match="5") as caught, durable.full_disk_named("x"):
        raise OSError(errno.EIO, "5")
    assert caught.value.errno == errno.EIO


def test_only_publishers_and_admins_upload(client_of: Callable[..., httpx2.Client]) -> None:
    assert client_of(Role.HOST, "edge-1").post("/v1/uploads").status_code == 403
    assert client_of().post("/v1/uploads").status_code == 401
    assert client_of(Role.ADMIN).post("/v1/uploads").status_code == 202


def test_a_small_blob_goes_up_in_one_request(server: Server, client: httpx2.Client) -> None:
    for data in (b"", b"abc", DATA):
        digest = digest_of(data)
        for _ in range(2):
            answer = client.post("/v1/uploads", params={"digest": digest}, content=data)
            assert answer.status_code == 201
            assert answer.headers["location"] == f"/v1/blobs/{digest}"
            assert answer.headers["docker-content-digest"] == digest
        assert client.get(f"/v1/blobs/{digest}").content == data
    assert spool_of(server) == []


@pytest.mark.parametrize("size", [3, 3 * 1024**2], ids=["small", "large"])
@pytest.mark.parametrize("is_size_said", [True, False])
def test_one_request_with_another_digest_is_refused_and_nothing_is_kept(
    server: Server, client: httpx2.Client, size: int, is_size_said: bool
) -> None:
    content = DATA[:size] if is_size_said else (one for one in [DATA[:size]])
    answer = client.post("/v1/uploads", params={"digest": digest_of(b"x")}, content=content)
    assert (answer.status_code, answer.json()["code"]) == (400, "digest_mismatch")
    assert stored(server) == []
    assert spool_of(server) == []


def test_one_request_over_the_limit_is_refused_before_it_is_read(
    server: Server, client: httpx2.Client
) -> None:
    content = bytes(8 * 1024**2 + 1)
    parameters = {"digest": digest_of(content)}
    answer = client.post("/v1/uploads", params=parameters, content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert stored(server) == []


def test_a_malformed_beginning_is_refused(client: httpx2.Client) -> None:
    for query in (
        "digest=sha256:abc",
        "digest=",
        "digest=%00",
        "direct=true",
        "direct=true&size=0",
        "direct=true&size=-1",
        "direct=perhaps",
        "direct=true&size=9223372036854775808",
    ):
        answer = client.post(f"/v1/uploads?{query}", content=b"abc")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), query


GARBAGE = (
    "Content-Length: \xb9",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length: 4\r\nContent-Length: 5",
    "Content-Length: 4, 4",
    "Content-Length: ",
    "Transfer-Encoding: nonsense",
    "Content-Length: 4\r\nTransfer-Encoding: chunked",
    "Content-Length: 4\r\nContent-Range: 0-99999999999999999999",
    "Content-Length: 4\r\nContent-Range: \xb9-\xb2",
    "Content-Length: 4\r\nContent-Range: bytes */4",
)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_garbage_in_the_head_of_a_chunk_is_the_senders_fault(
    server: Server, client: httpx2.Client, method: str
) -> None:
    for header in GARBAGE:
        location = begin(client)
        target = f"{location}?digest={digest_of(b'1234')}" if method == "PUT" else location
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: x\r\n{header}\r\nConnection: close\r\n"
            f"Authorization: {client.headers['authorization']}\r\n\r\n1234"
        )
        with socket.create_connection(server.sockets[0].getsockname(), timeout=60) as connection:
            connection.sendall(head.encode("latin-1"))
            # Our side stays open: to whoever has hung up the server need not answer any more.
            status = connection.recv(64).split(b" ")[1]
        assert status.startswith(b"4"), (header, status)
    assert stored(server) == []


def test_many_small_blobs_go_up_in_one_request(server: Server, client: httpx2.Client) -> None:
    blobs = [DATA[at : at + 100_000] for at in range(0, 1_000_000, 100_000)]
    content = b"".join(f"{digest_of(one)} {len(one)}\n".encode() + one for one in blobs)
    answer = client.post("/v1/blobs", content=content)
    assert answer.status_code == 201
    assert [one["digest"] for one in answer.json()["blobs"]] == [digest_of(one) for one in blobs]
    assert set(stored(server)) == {digest_of(one) for one in blobs}
    answer = client.post("/v1/blobs", content=content[:-1] + b"x")
    assert (answer.status_code, answer.json()["code"]) == (400, "digest_mismatch")
    answer = client.post("/v1/blobs", content=content[:-1])
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert spool_of(server) == []


def test_what_is_here_need_not_be_sent(client: httpx2.Client) -> None:
    upload(client, DATA)
    other = digest_of(b"other")
    answer = client.post("/v1/missing-blobs", json={"digests": [other, digest_of(DATA), other]})
    assert answer.json() == {"digests": [other]}
    wrong = client.post("/v1/missing-blobs", json={"digests": ["sha256:abc"]})
    assert wrong.status_code == 422


def test_a_claim_without_its_bytes_is_no_reason_not_to_send_them(
    server: Server, client: httpx2.Client
) -> None:
    upload(client, DATA)
    server.app.state.registry.blobs.delete(digest_of(DATA))
    answer = client.post("/v1/missing-blobs", json={"digests": [digest_of(DATA)]})
    assert answer.json() == {"digests": [digest_of(DATA)]}
