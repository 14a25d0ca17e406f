"""Downloads by the kernel: whole, in order, to slow and vanishing receivers, and over TLS."""

import asyncio
import contextlib
import datetime as dt
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx2
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.types import Message

from registry.api import sending
from registry.api.app import create_app
from registry.api.sendfile import EXTENSION, SendfileProtocol
from registry.api.server import Server, bind
from registry.settings import Settings
from tests.registry.publishing import digest_of, upload

DATA = os.urandom(7 * 1024**2 + 13)
DIGEST = digest_of(DATA)
PATH = f"/v1/blobs/{DIGEST}"


def blob_of(server: Server) -> Path:
    path: Path = server.app.state.registry.blobs.path(DIGEST)
    return path


def held_open(path: Path) -> int:
    """How many descriptors of this process, the server's, are of `path`."""
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(descriptor.readlink())
    return names.count(path)


def eventually(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def asking(server: Server, client: httpx2.Client, *paths: str) -> Iterator[socket.socket]:
    """A receiver with little room, that has asked for `paths` all at once."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        connection.settimeout(60)
        connection.connect(server.sockets[0].getsockname())
        token = client.headers["authorization"]
        for path in paths:
            head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
            connection.sendall(head.encode())
        yield connection


def answer_of(connection: socket.socket) -> tuple[bytes, bytes]:
    """One answer's head, and its body as far as it comes."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    head = bytes(received).lower()
    size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = bytearray()
    while len(body) < size and (data := connection.recv(min(65536, size - len(body)))):
        body += data
    return head, bytes(body)


def test_whole_blobs_and_ranges_come_one_after_another_on_one_connection(
    client: httpx2.Client,
) -> None:
    upload(client, DATA)
    for start, stop in [(0, len(DATA)), (1, 3 * 1024**2), (len(DATA) - 2**21, len(DATA)), (7, 8)]:
        answer = client.get(PATH, headers={"Range": f"bytes={start}-{stop - 1}"})
        assert (answer.status_code, answer.content) == (206, DATA[start:stop])
        assert client.get(PATH).content == DATA
        assert client.head(PATH).headers["content-length"] == str(len(DATA))


def test_requests_sent_all_at_once_are_answered_in_order(
    server: Server, client: httpx2.Client
) -> None:
    upload(client, DATA)
    with asking(server, client, PATH, "/livez", PATH) as connection:
        assert answer_of(connection)[1] == DATA
        assert answer_of(connection)[1] == b'{"status":"ok"}'
        assert answer_of(connection)[1] == DATA


def several(client: httpx2.Client, *blobs: bytes) -> None:
    for blob in blobs:
        upload(client, blob)
    answer = client.post("/v1/wanted-blobs", json={"digests": [digest_of(one) for one in blobs]})
    assert answer.status_code == 200
    assert answer.content == b"".join(
        f"{digest_of(one)} {len(one)}\n".encode() + one for one in blobs
    )


def test_many_blobs_come_in_one_answer_in_the_order_asked(client: httpx2.Client) -> None:
    several(client, b"", DATA[:70_000], b"small", DATA, b"small")
    several(client)
    assert client.get(PATH).content == DATA, "the connection goes on"


def test_of_many_blobs_one_that_is_not_here_is_named(client: httpx2.Client) -> None:
    wanted = [upload(client, DATA), digest_of(b"never sent")]
    answer = client.post("/v1/wanted-blobs", json={"digests": wanted})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert wanted[1] in answer.json()["detail"]


def test_an_answer_of_many_blobs_that_cannot_go_on_is_cut_off(
    server: Server, client: httpx2.Client
) -> None:
    wanted = [upload(client, one) for one in (DATA, b"removed just now")]
    blobs = server.app.state.registry.blobs
    answer = sending.SendingSeveral(blobs, [(wanted[0], len(DATA)), (wanted[1], 16)])
    blobs.delete(wanted[1])
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(answer({"type": "http", "extensions": {EXTENSION: {}}}, None, send))  # type: ignore[arg-type]
    assert [one.get("count") for one in sent if one["type"] == EXTENSION] == [len(DATA)]
    assert sent[-1]["more_body"], "it has no end, so the server hangs up"


def test_what_is_not_in_memory_is_read_from_the_disk(server: Server, client: httpx2.Client) -> None:
    upload(client, DATA)
    with blob_of(server).open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    assert client.get(PATH).content == DATA


def test_others_are_served_while_a_receiver_is_slow(server: Server, client: httpx2.Client) -> None:
    upload(client, DATA)
    with asking(server, client, PATH) as connection:
        eventually(lambda: held_open(blob_of(server)) == 1)
        assert client.get(PATH).content == DATA
        assert client.get("/livez").status_code == 200
        assert answer_of(connection)[1] == DATA
    eventually(lambda: held_open(blob_of(server)) == 0)


def test_a_receiver_that_hangs_up_leaves_nothing_open(
    server: Server, client: httpx2.Client
) -> None:
    upload(client, DATA)
    with asking(server, client, PATH) as connection:
        assert connection.recv(5) == b"HTTP/"
        assert held_open(blob_of(server)) == 1
    eventually(lambda: held_open(blob_of(server)) == 0)
    assert client.get(PATH).content == DATA


def test_a_blob_that_ends_early_is_cut_off_and_never_made_up(
    server: Server, client: httpx2.Client
) -> None:
    upload(client, DATA)
    with asking(server, client, PATH) as connection:
        assert connection.recv(5) == b"HTTP/"
        os.truncate(blob_of(server), 5 * 1024**2)
        received = connection.recv(1024**2)
        while data := connection.recv(1024**2):
            received += data
    body = received.partition(b"\r\n\r\n")[2]
    assert len(body) == 5 * 1024**2
    assert body == DATA[: len(body)]


def test_a_download_ends_with_the_server_when_its_time_is_over(
    server: Server, client: httpx2.Client
) -> None:
    upload(client, DATA)
    path = blob_of(server)
    with asking(server, client, PATH) as connection:
        assert connection.recv(5) == b"HTTP/"
        server._server.config.timeout_graceful_shutdown = 1
        server.stop()
    assert held_open(path) == 0


@contextmanager
def serving(
    settings: Settings, *, loop: Literal["asyncio", "uvloop"], tls: Path | None
) -> Iterator[str]:
    """The registry in another setting than our own server's."""
    listener = bind("127.0.0.1:0")
    config = uvicorn.Config(
        create_app(settings),
        http=SendfileProtocol,
        loop=loop,
        log_config=None,
        ssl_certfile=tls,
        ssl_keyfile=tls,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def self_signed(path: Path) -> ssl.SSLContext:
    """Write key and certificate; gives who trusts them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(pem, private, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    context = ssl.create_default_context(cafile=str(path))
    context.check_hostname = False
    return context


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("is_encrypted", [False, True])
def test_every_loop_and_tls_give_the_same_bytes(
    settings: Settings, tmp_path: Path, loop: Literal["asyncio", "uvloop"], is_encrypted: bool
) -> None:
    pem = tmp_path / "server.pem"
    trusted = self_signed(pem)
    with serving(settings, loop=loop, tls=pem if is_encrypted else None) as url:
        token = settings.admin_token_file.read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=url, headers=headers, verify=trusted, timeout=60) as client:
            upload(client, DATA)
            for _ in range(2):
                assert client.get(PATH).content == DATA
            answer = client.get(PATH, headers={"Range": "bytes=10-4194303"})
            assert answer.content == DATA[10:4194304]
            several(client, DATA, b"small", b"", DATA[:100_000], b"small")
