"""SIGKILL while blobs come in by every way, into a folder and into an object store."""

import hashlib
import os
import random
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from registry.db.tables import Blob
from registry.settings import Settings
from registry.usecases import opening
from registry.usecases.opening import Registry
from tests.registry import postgres
from tests.registry.publishing import digest_of
from tests.registry.serving import kill, running

Running = tuple[httpx2.Client, subprocess.Popen[str]]

MIB = 1024**2
ROUNDS = 3


def in_one_request(client: httpx2.Client, data: bytes) -> None:
    answer = client.post("/v1/uploads", params={"digest": digest_of(data)}, content=data)
    assert answer.status_code == 201, answer.text


def in_chunks(client: httpx2.Client, data: bytes) -> None:
    location = client.post("/v1/uploads").headers["location"]
    half = len(data) // 2
    assert client.patch(location, content=data[:half]).status_code == 202
    answer = client.put(location, params={"digest": digest_of(data)}, content=data[half:])
    assert answer.status_code == 201, answer.text


def many_at_once(client: httpx2.Client, data: bytes) -> None:
    last = len(data) - 1
    heads = (f"{digest_of(one)} {len(one)}\n".encode() + one for one in (data[:last], data))
    answer = client.post("/v1/blobs", content=b"".join(heads))
    assert answer.status_code == 201, answer.text


WAYS: list[tuple[Callable[[httpx2.Client, bytes], None], int]] = [
    (in_one_request, 50_000),
    (in_one_request, 9 * MIB),
    (many_at_once, 500_000),
    (in_chunks, 10 * MIB),
]


@pytest.fixture(params=["sqlite and a folder", "postgresql and an object store"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param.startswith("sqlite"):
        return Settings(tmp_path)
    socket_folder = request.getfixturevalue("postgres_socket")
    database_url = postgres.create_database(socket_folder, "store_crash")
    bucket = request.getfixturevalue("bucket")
    return Settings(tmp_path, database_url=database_url, storage=bucket)


def test_no_acknowledged_blob_is_lost_and_none_is_there_by_half(settings: Settings) -> None:
    acknowledged: set[str] = set()
    chosen = random.Random(7)
    moments = [chosen.uniform(0.1, 1.2) for _ in range(ROUNDS)]
    while moments or not acknowledged:
        moment = moments.pop() if moments else 3.0
        with in_process(settings) as (client, process):
            timer = threading.Timer(moment, kill, [process])
            timer.start()
            with ThreadPoolExecutor(len(WAYS)) as pool:
                for way, size in WAYS:
                    pool.submit(push_until_killed, client, way, size, acknowledged)
            timer.join()
    registry = opening.open_registry(settings)
    try:
        check(registry, acknowledged)
    finally:
        registry.close()


def in_process(settings: Settings) -> AbstractContextManager[Running]:
    return running(settings.data_dir, database_url=settings.database_url, storage=settings.storage)


def push_until_killed(
    client: httpx2.Client,
    way: Callable[[httpx2.Client, bytes], None],
    size: int,
    acknowledged: set[str],
) -> None:
    try:
        while True:
            data = os.urandom(size)
            way(client, data)
            acknowledged.add(digest_of(data))
    except httpx2.TransportError:
        return


def check(registry: Registry, acknowledged: set[str]) -> None:
    """What was promised is there; what is there is whole, and claimed; the rest expires."""
    stored = {digest: hashed(registry, digest) for digest in registry.blobs.digests()}
    assert acknowledged
    assert acknowledged <= set(stored)
    assert {digest: found[0] for digest, found in stored.items()} == {one: one for one in stored}
    with registry.database.reading() as session:
        claims = {row.digest: row.size for row in session.scalars(select(Blob))}
    sizes = {digest: size for digest, (_, size) in stored.items()}
    assert sizes.items() <= claims.items()
    registry.uploads.expire(older_than=-5)
    assert registry.uploads.expire(older_than=-5) == 0
    assert registry.uploads.spooled() == (0, 0)
    assert set(registry.blobs.digests()) == set(stored)


def hashed(registry: Registry, digest: str) -> tuple[str, int]:
    folder = registry.settings.data_dir / "copies"
    folder.mkdir(exist_ok=True)
    content = registry.blobs.local(digest, folder).read_bytes()
    return f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)
