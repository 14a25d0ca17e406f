"""Engines that are not there, do not answer, or answer nonsense: one clear error for each."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler import engines
from reconciler.engines.protocol import Engine
from registry import errors


def _connect(address: str, credentials: Path | None = None) -> Engine:
    return engines.connect(
        host="edge-1",
        address=address,
        front=engines.Front(port=18080),
        state=Path("/nowhere"),
        credentials=credentials,
        timeout=0.5,
    )


@contextmanager
def _listening(reply: bytes | None) -> Iterator[int]:
    """A server that says `reply` to whoever connects, or nothing at all."""
    kept: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            kept.append(client)
            if reply is not None:
                client.recv(1000)
                client.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for client in kept:
                client.close()


def test_nothing_is_sent_before_the_first_call() -> None:
    engine = _connect("unix:///nowhere/docker.sock")
    assert engine.front().url.startswith("http://127.0.0.1:")
    engine.close()


def test_an_engine_that_is_not_there_is_unreachable() -> None:
    engine = _connect("unix:///nowhere/docker.sock")
    with pytest.raises(errors.EngineUnreachable, match="No such file") as raised:
        engine.observe()
    assert "\n" not in raised.value.detail
    assert "check that the engine runs" in raised.value.fix


def test_a_silent_engine_is_unreachable_once_the_timeout_is_over(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(errors.EngineUnreachable, match="timed out"):
            _connect(f"unix://{path}").observe()


def test_a_silent_ssh_server_is_unreachable_once_the_timeout_is_over() -> None:
    with (
        _listening(None) as port,
        pytest.raises(errors.EngineUnreachable, match="timed out"),
    ):
        _connect(f"ssh://nobody@127.0.0.1:{port}").observe()


def test_what_does_not_speak_docker_is_unreachable(tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("not a certificate")
    with _listening(b"SMTP ready\r\n") as port, pytest.raises(errors.EngineUnreachable):
        _connect(f"tcp://127.0.0.1:{port}", tmp_path).observe()


def test_tcp_without_credentials_is_refused_before_any_call() -> None:
    with pytest.raises(errors.InvalidConfig, match="plain TCP would let anyone in"):
        _connect("tcp://10.0.0.1:2375")


def test_missing_certificates_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(errors.EngineUnreachable, match=r"certificate|\.pem|tls"):
        _connect("tcp://127.0.0.1:1", tmp_path).observe()


@pytest.mark.parametrize("address", ["http://host", "docker.sock", ""])
def test_an_unknown_scheme_says_which_are_known(address: str) -> None:
    with pytest.raises(errors.InvalidConfig) as raised:
        _connect(address)
    assert "unix://, tcp://, ssh:// or process://" in raised.value.fix
