"""The command line's connections: kept, renewed, through proxies, and honest about broken ones."""

import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry import errors
from registry.cli import downloading, wire
from registry.cli.client import Client
from registry.core import digest as digests
from registry.core.oms import File
from tests.registry.authorities import Ca, server_files

Heard = list[bytes]
Talk = Callable[[socket.socket, Heard], None]


@contextmanager
def speaking(talk: Talk) -> Iterator[tuple[str, Heard]]:
    """The address of a server that treats each connection so, and the heads it was sent."""
    heard: Heard = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    talk(connection, heard)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def head_of(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received and (more := connection.recv(1)):
        received += more
    return received


def answering(body: bytes, status: str = "200 OK") -> Talk:
    """Answers one request, and hangs up without having said that it would."""

    def talk(connection: socket.socket, heard: Heard) -> None:
        heard.append(head_of(connection))
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return talk


def test_a_connection_that_was_closed_meanwhile_is_opened_anew():
    with speaking(answering(b"{}")) as (url, heard), Client(url) as client:
        for _ in range(3):
            assert client.document("POST", "/v1/tokens", b"{}", is_repeatable=False) == {}
            closing, _, _ = select.select([client.wire._mine.link.sock], [], [], 60)
            assert closing
    assert [head.split(b"\r\n")[0] for head in heard] == [b"POST /v1/tokens HTTP/1.1"] * 3


def test_an_answer_that_comes_before_the_body_was_taken_is_heard(tmp_path: Path):
    big = tmp_path / "big"
    big.write_bytes(b"x" * 32 * 1024 * 1024)
    problem = b'{"code": "storage_full", "detail": "no room", "fix": "make some"}'
    with (
        speaking(answering(problem, "507 Insufficient Storage")) as (url, _),
        Client(url) as client,
    ):
        span = wire.Span(big, 0, big.stat().st_size, lambda _: None)
        with pytest.raises(errors.PlimsollError, match="no room"):
            client.send("PUT", "/v1/uploads/1", {}, [span])


def test_over_tls_one_connection_takes_files_and_answers(tmp_path: Path):
    certificate, key, authority = server_files(tmp_path, Ca())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    content = os.urandom(300_000)
    (tmp_path / "file").write_bytes(content)
    connections: list[ssl.SSLSocket] = []

    def talk(plain: socket.socket, heard: Heard) -> None:
        connection = context.wrap_socket(plain, server_side=True)
        connections.append(connection)
        while head := head_of(connection):
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            body = b""
            while len(body) < size:
                body += connection.recv(65536)
            heard.append(body)
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        connection.close()

    span = wire.Span(tmp_path / "file", 5, len(content), lambda _: None)
    with (
        speaking(talk) as (url, heard),
        Client(url.replace("http:", "https:"), "", str(authority)) as client,
    ):
        for _ in range(3):
            client.call("POST", "/v1/blobs", [b"line\n", span])
    assert heard == [b"line\n" + content[5:]] * 3
    assert len(connections) == 1


def test_a_file_that_became_shorter_is_not_sent_as_if_it_were_whole(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"short")

    def talk(connection: socket.socket, heard: Heard) -> None:
        head_of(connection)
        while connection.recv(65536):
            pass

    with speaking(talk) as (url, _), Client(url) as client:
        span = wire.Span(tmp_path / "file", 0, 10, lambda _: None)
        with pytest.raises(errors.DigestMismatch, match="became shorter"):
            client.call("POST", "/v1/blobs", [b"line\n", span])


def test_a_success_that_comes_before_the_body_was_taken_is_none(tmp_path: Path):
    big = tmp_path / "big"
    big.write_bytes(b"x" * 32 * 1024 * 1024)
    with speaking(answering(b"{}")) as (url, _), Client(url) as client:
        span = wire.Span(big, 0, big.stat().st_size, lambda _: None)
        with pytest.raises(errors.Unavailable, match="does not answer"):
            client.send("PUT", "/v1/uploads/1", {}, [span])


def test_the_proxy_that_the_environment_names_is_used(monkeypatch: pytest.MonkeyPatch):
    with speaking(answering(b"{}")) as (proxy, heard):
        monkeypatch.setenv("http_proxy", proxy.replace("//", "//me:p%40ss@"))
        with Client("http://registry.example:8440/below", "plm_token") as client:
            client.document("GET", "/v1/whoami")
        monkeypatch.setenv("no_proxy", "registry.example")
        with Client("http://registry.example:8440") as client:
            assert client.wire._proxy is None
    lines = heard[0].decode().split("\r\n")
    assert lines[0] == "GET http://registry.example:8440/below/v1/whoami HTTP/1.1"
    assert "Proxy-Authorization: Basic bWU6cEBzcw==" in lines
    assert "Authorization: Bearer plm_token" in lines


def test_through_a_tunnel_the_registry_is_not_told_what_the_proxy_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    certificate, key, authority = server_files(tmp_path, Ca())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def tunnel(connection: socket.socket, heard: Heard) -> None:
        heard.append(head_of(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as inside:
            heard.append(head_of(inside))
            inside.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with speaking(tunnel) as (proxy, heard):
        monkeypatch.setenv("https_proxy", proxy.replace("//", "//me:secret@"))
        # The tunnel leads to this address whatever it is, and the certificate is for it.
        with Client("https://127.0.0.1:8440", "plm_token", authority=str(authority)) as client:
            client.document("GET", "/v1/whoami")
    opened, asked = heard
    assert opened.startswith(b"CONNECT 127.0.0.1:8440 ")
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0" in opened
    assert b"Bearer plm_token" not in opened
    assert b"Bearer plm_token" in asked
    assert b"Proxy-Authorization" not in asked


@pytest.mark.parametrize("url", ["registry", "ftp://registry", "http://", "http://host:port"])
def test_what_is_no_address_is_said_so(url: str):
    with pytest.raises(errors.InvalidConfig, match="no address"):
        Client(url)


@pytest.mark.parametrize("token", ["plm_ü", "plm_a\r\nX-Evil: 1"])
def test_what_is_no_token_goes_nowhere(token: str):
    with pytest.raises(errors.InvalidConfig, match="no token"):
        Client("http://127.0.0.1:1", token)


CONTENT = b"weights"
DIGEST = digests.of(CONTENT)


@pytest.mark.parametrize(
    "sent",
    [
        f"{DIGEST} 7\n".encode() + b"weighty",
        f"{DIGEST} 7\n".encode() + b"weigh",
        f"{DIGEST} 8\n".encode() + CONTENT + b"!",
        digests.of(b"other").encode() + b" 7\n" + CONTENT,
        b"x" * 200,
        b"",
    ],
    ids=["other bytes", "too few", "another size", "another blob", "no line", "nothing"],
)
def test_of_many_blobs_only_the_right_bytes_are_taken(sent: bytes):
    file = File("weights.bin", DIGEST, len(CONTENT))
    with (
        speaking(answering(sent)) as (url, _),
        Client(url) as client,
        pytest.raises(errors.DigestMismatch, match="weights"),
    ):
        downloading.each(client, [file], lambda _, blocks: [*blocks] and None)
