"""The registry as a whole: several addresses, an object store behind it, two at once."""

import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx2
import pytest

from registry import errors
from registry.api import server as servers
from registry.api.server import Server
from registry.core import note
from registry.settings import Settings
from registry.usecases import log, opening
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry.publishing import Publisher, onnx_model, publish

FILES = {"model.onnx": onnx_model(), "labels.txt": b"0 1 2"}


def test_it_listens_on_every_address(settings: Settings) -> None:
    both = replace(settings, listen=("127.0.0.1:0", "[::1]:0"))
    running = Server(both)
    running.start()
    try:
        assert len(running.addresses) == 2
        for address in running.addresses:
            assert httpx2.get(f"{address}/readyz", timeout=60).json()["status"] == "ok"
    finally:
        running.stop()
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"{running.addresses[0]}/livez", timeout=60)


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Who handled signals before does so again."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()


@pytest.mark.usefixtures("own_signals")
def test_a_stop_signal_that_comes_before_it_listens_is_not_lost(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Server(settings)
    serve = running._server.run

    def signalled(sockets: list[socket.socket]) -> None:
        signal.raise_signal(signal.SIGTERM)
        serve(sockets)

    monkeypatch.setattr(running._server, "run", signalled)
    rescue = threading.Timer(60, running.stop)
    rescue.start()
    running.run()
    assert rescue.is_alive(), "it served on"
    rescue.cancel()


@pytest.mark.parametrize("address", ["8080", "localhost:", "127.0.0.1:99999", "127.0.0.1:http"])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(errors.InvalidConfig):
        servers.bind(address)


def test_an_address_in_use_is_refused() -> None:
    with servers.bind("127.0.0.1:0") as taken, pytest.raises(errors.InvalidConfig, match="in use"):
        servers.bind(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "oracle+cx://"])
def test_a_database_of_another_kind_is_refused(settings: Settings, url: str) -> None:
    with pytest.raises(errors.InvalidConfig):
        opening.open_registry(replace(settings, database_url=url))


def test_a_database_that_is_away_is_unavailable(settings: Settings) -> None:
    away = "postgresql://nobody@127.0.0.1:1/none"
    with pytest.raises(errors.Unavailable):
        opening.open_registry(replace(settings, database_url=away))


def test_models_are_published_to_and_pulled_from_an_object_store(
    settings: Settings,
    bucket: str,
    alice: Publisher,
    client_of_registry: Callable[[Settings], httpx2.Client],
) -> None:
    client = client_of_registry(replace(settings, storage=bucket))
    answer = publish(client, alice, FILES)
    assert answer.status_code == 201, answer.text
    for file in answer.json()["files"]:
        found = client.get(f"/v1/blobs/{file['digest']}", headers={"Range": "bytes=0-3"})
        assert (found.status_code, found.content) == (206, FILES[file["path"]][:4])


def test_what_was_published_is_there_after_a_restart(
    settings: Settings, alice: Publisher, client_of_registry: Callable[[Settings], httpx2.Client]
) -> None:
    first = client_of_registry(settings)
    version = publish(first, alice, FILES).json()
    checkpoint = first.get("/log/checkpoint").text
    again = opening.open_registry(settings)
    assert log.checkpoint(again) == checkpoint
    signed = note.verify_checkpoint(checkpoint, again.log_name)
    assert signed.size > version["logIndex"]
    again.close()


def test_many_reporters_at_once_are_all_recorded(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    token = client_of(Role.RECONCILER).headers["Authorization"]
    results: list[int] = []

    def report(worker: int) -> None:
        with httpx2.Client(base_url=server.addresses[0], timeout=60) as client:
            client.headers["Authorization"] = token
            for number in range(5):
                event = {"id": f"{worker}.{number}", "kind": "deployed"}
                results.append(client.post("/v1/events", json=event).json()["index"])

    threads = [threading.Thread(target=report, args=(worker,)) for worker in range(12)]
    before = log.size(server.app.state.registry)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(before, before + 60))


def test_two_registries_that_start_at_once_share_one_log(
    database_url: str, settings: Settings
) -> None:
    opened: list[Registry] = []
    failures: list[errors.PlimsollError] = []
    gate = threading.Barrier(3)

    def start() -> None:
        gate.wait()
        try:
            opened.append(opening.open_registry(replace(settings, database_url=database_url)))
        except errors.PlimsollError as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({log.checkpoint(registry) for registry in opened}) == 1
    for registry in opened:
        registry.close()
