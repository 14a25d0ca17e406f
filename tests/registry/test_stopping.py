"""A stop signal to the real program: what is under way ends well, and nothing is left behind."""

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from registry.settings import Settings
from registry.usecases import opening, webhooks
from tests.registry import program, receiving
from tests.registry.program import Program
from tests.registry.test_stream import following_log

SIZE = 32 * 1024 * 1024


class Flight:
    """Requests that have begun, and go on once they are told to."""

    def __init__(self, running: Program, content: bytes) -> None:
        self.running = running
        self.content = content
        self.has_begun = threading.Barrier(4)
        self.may_end = threading.Event()

    def upload(self) -> str:
        """The offset that the registry answers with."""
        with self.running.client() as client:
            location = client.post("/v1/uploads").headers["location"]
            return client.patch(location, content=self._halves()).headers["upload-offset"]

    def download(self) -> str:
        """The digest of what came."""
        path = f"/v1/blobs/{digest_of(self.content)}"
        with self.running.client() as client, client.stream("GET", path) as answer:
            blocks = answer.iter_raw(65536)
            found = hashlib.sha256(next(blocks))
            self._wait()
            for block in blocks:
                found.update(block)
        return f"sha256:{found.hexdigest()}"

    def follow(self) -> str:
        """Only once the stream has ended as it should."""
        with self.running.client() as client, following_log(client) as found:
            next(found)
            self.has_begun.wait(60)
            list(found)
        return "ended"

    def _halves(self) -> Iterator[bytes]:
        yield self.content[: SIZE // 2]
        self._wait()
        yield self.content[SIZE // 2 :]

    def _wait(self) -> None:
        self.has_begun.wait(60)
        self.may_end.wait(60)


def test_requests_in_flight_end_streams_close_and_leases_are_given_back(tmp_path: Path) -> None:
    content = os.urandom(SIZE)
    # Longer than anything here takes: what is under way must end by itself, and not be cut.
    serving = program.serving(tmp_path / "data", grace_seconds=600.0)
    with receiving.receiving() as receiver, serving as running:
        upload(running, content)
        hear(running, receiver.url)
        assert receiver.next().kind == "token_created"
        flight = Flight(running, content)
        with ThreadPoolExecutor() as pool:
            uploaded, downloaded = pool.submit(flight.upload), pool.submit(flight.download)
            followed = pool.submit(flight.follow)
            flight.has_begun.wait(60)
            running.process.terminate()
            assert followed.result(60) == "ended"
            wait_until_closed(running)
            flight.may_end.set()
            assert uploaded.result(60) == str(SIZE)
            assert downloaded.result(60) == digest_of(content)
        assert running.process.wait(60) == 0
    registry = opening.open_registry(Settings(tmp_path / "data"))
    assert [row.lease_owner for row in webhooks.page(registry, after="", limit=9)] == [None]
    assert registry.uploads.spooled() == (1, SIZE)
    registry.close()


def upload(running: Program, content: bytes) -> None:
    with running.client() as client:
        location = client.post("/v1/uploads").headers["location"]
        answer = client.put(f"{location}?digest={digest_of(content)}", content=content)
        assert answer.status_code == 201


def hear(running: Program, url: str) -> None:
    with running.client() as client:
        wish = {"name": "ci", "url": url, "kinds": ["token_created"]}
        assert client.post("/v1/webhooks", json=wish).status_code == 201
        token = {"role": "auditor", "name": "ann"}
        assert client.post("/v1/tokens", json=token).status_code == 201


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def wait_until_closed(running: Program) -> None:
    while True:
        try:
            httpx2.get(f"{running.address}/livez", timeout=60)
        except httpx2.TransportError:
            return
