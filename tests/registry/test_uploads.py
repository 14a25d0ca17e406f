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

from registry import errors
from registry.api.server import Server
from registry.settings import Limits, Settings
from registry.store.folder import FolderStore
from registry.store.uploads import Uploads
from registry.usecases.access import Role
from tests.registry.publishing import digest_of, upload

DATA = os.urandom(3 * 1024 * 1024 + 11)


def begin(client: httpx2.Client) -> str:
    answer = client.post("/v1/uploads")
    assert answer.status_code == 202
    return answer.headers["location"]


def stored(server: Server) -> list[str]:
    return list(server.app.state.registry.blobs.digests())


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
    deadline = time.monotonic() + 30
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


def test_two_writers_of_one_upload_are_told_apart(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "spool", FolderStore(tmp_path), max_bytes=100)
    upload_id = uploads.begin()
    with uploads._locked(upload_id), pytest.raises(errors.Conflict):
        uploads.finish(upload_id, digest_of(b""))


def test_uploads_nobody_touches_expire_and_others_stay(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "spool", FolderStore(tmp_path), max_bytes=100)
    old, new = uploads.begin(), uploads.begin()
    long_ago = (tmp_path / "spool" / f"{old}.part").stat().st_mtime - 7200
    os.utime(tmp_path / "spool" / f"{old}.part", (long_ago, long_ago))
    assert uploads.expire(older_than=3600) == 1
    with pytest.raises(errors.NotFound):
        uploads.offset(old)
    assert uploads.offset(new) == 0


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
    assert list((full_disk / "sha256").iterdir()) == []
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
