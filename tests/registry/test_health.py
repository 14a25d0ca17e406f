"""Alive, ready, and in numbers: what machines ask a registry, also while parts of it are away."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from registry.api.server import Server
from registry.settings import Running, Settings
from registry.usecases import readiness
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry import postgres, program
from tests.registry.publishing import Publisher, onnx_model, publish
from tests.registry.receiving import report

CHECKS = {"database", "log", "storage", "disk", "workers"}


@pytest.fixture
def asking(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.addresses[0], timeout=60) as client:
        yield client


def require_soon(client: httpx2.Client, path: str = "/readyz", /, **wanted: str) -> httpx2.Response:
    """The answer once these checks alone fail, each in these words; all else may be slow first."""
    end = time.monotonic() + 60
    while True:
        answer = client.get(path)
        checks: dict[str, str] = answer.json()["checks"]
        failed = {name: said for name, said in checks.items() if said != "ok"}
        if failed.keys() == wanted.keys() and all(wanted[name] in failed[name] for name in failed):
            assert answer.status_code == (503 if wanted else 200)
            return answer
        assert time.monotonic() < end, failed


def number(client: httpx2.Client, name: str, **labels: str) -> float | None:
    families = text_string_to_metric_families(client.get("/metrics").text)
    for sample in (sample for family in families for sample in family.samples):
        if sample.name == f"plimsoll_registry_{name}" and labels.items() <= sample.labels.items():
            return sample.value
    return None


def test_a_sound_registry_is_ready_in_every_respect(asking: httpx2.Client) -> None:
    for path in ("/readyz", "/healthz"):
        answer = require_soon(asking, path)
        assert answer.json()["status"] == "ok"
        assert answer.json()["checks"] == dict.fromkeys(CHECKS, "ok")
    assert asking.get("/livez").json() == {"status": "ok"}


def test_a_store_that_is_gone_is_named(server: Server, asking: httpx2.Client) -> None:
    folder = Path(server.app.state.registry.settings.blobs)
    folder.rename(folder.with_name("elsewhere"))
    require_soon(asking, storage="does not answer", disk="cannot be written to")
    assert asking.get("/livez").status_code == 200
    folder.with_name("elsewhere").rename(folder)
    require_soon(asking)


def test_a_head_that_somebody_else_signed_is_named(server: Server, asking: httpx2.Client) -> None:
    registry: Registry = server.app.state.registry
    with registry.database.migrating() as connection:
        connection.execute(text("UPDATE log_head SET checkpoint = replace(checkpoint, '— ', '- ')"))
    require_soon(asking, log="does not verify")


def test_a_schema_that_is_behind_is_named(server: Server, asking: httpx2.Client) -> None:
    registry: Registry = server.app.state.registry
    with registry.database.migrating() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    require_soon(asking, database="its schema is at 0001")


def test_a_schema_that_is_ahead_belongs_to_a_newer_release_and_will_do(
    server: Server, asking: httpx2.Client
) -> None:
    with server.app.state.registry.database.migrating() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    require_soon(asking)


def test_a_thread_that_ended_is_named(server: Server, asking: httpx2.Client) -> None:
    server.app.state.working.couriers.stop()
    require_soon(asking, workers="couriers ended")


def test_a_disk_without_room_is_named(settings: Settings) -> None:
    running = Server(replace(settings, running=Running(free_mib=10**9)))
    running.start()
    try:
        with httpx2.Client(base_url=running.addresses[0], timeout=60) as client:
            require_soon(client, disk="1000000000 must be")
    finally:
        running.stop()


def test_a_database_that_goes_away_and_comes_back_needs_no_restart(
    settings: Settings, client_of_registry: Callable[[Settings], httpx2.Client]
) -> None:
    with postgres.cluster(is_durable=True) as folder:
        url = postgres.create_database(folder, "away")
        client = client_of_registry(replace(settings, database_url=url))
        require_soon(client)
        postgres.stop(folder)
        require_soon(client, database="does not answer", log="does not answer")
        assert client.get("/livez").status_code == 200
        assert client.get("/v1/models").status_code == 503
        until_number(client, "database_up", 0)
        postgres.start(folder)
        require_soon(client)
        assert client.get("/v1/models").status_code == 200
        until_number(client, "database_up", 1)


def test_it_says_it_is_not_ready_before_it_stops_and_a_second_ctrl_c_ends_that(
    tmp_path: Path,
) -> None:
    with program.serving(tmp_path / "data", drain_seconds=600) as running:
        with running.client() as client:
            assert client.get("/livez").status_code == 200
            running.process.send_signal(signal.SIGTERM)
            end = time.monotonic() + 60
            while (answer := client.get("/readyz")).json()["status"] != "stopping":
                assert time.monotonic() < end
            assert (answer.status_code, answer.json()["checks"]) == (503, {})
            assert client.get("/livez").status_code == 200
            running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{running.address}/livez")


def test_many_questions_are_one_look(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_KEEP_S", 3600.0)
    found = server.app.state.readiness
    assert found.report() is found.report()


def test_the_numbers_tell_what_was_done(
    server: Server, asking: httpx2.Client, client: httpx2.Client, alice: Publisher
) -> None:
    files = {"model.onnx": onnx_model()}
    assert publish(client, alice, files).status_code == 201
    assert client.get("/v1/models/nothing").status_code == 404
    report(server.app.state.registry, "deployed")
    assert number(asking, "entries_total", kind="published") == 1
    assert number(asking, "entries_total", kind="deployed") == 1
    assert number(asking, "refusals_total", code="not_found") == 1
    until_number(asking, "pending_versions", 0)
    until_number(asking, "dead_letters", 0)
    assert (number(asking, "blob_bytes") or 0) >= len(files["model.onnx"])
    assert number(asking, "open_uploads") == 0


def test_labels_do_not_grow_with_what_is_asked_for(
    asking: httpx2.Client, client_of: Callable[..., httpx2.Client]
) -> None:
    client = client_of(Role.AUDITOR)
    asking.get("/metrics")
    count = len(asking.get("/metrics").text.splitlines())
    for name in "abcdefghij":
        client.get(f"/v1/models/{name}")
        client.get(f"/nothing/{name}")
    grown = len(asking.get("/metrics").text.splitlines())
    for name in "klmnopqrst":
        client.get(f"/v1/models/{name}")
        client.get(f"/nothing/{name}")
    assert len(asking.get("/metrics").text.splitlines()) == grown > count


def until_number(client: httpx2.Client, name: str, wanted: float) -> None:
    end = time.monotonic() + 60
    while (found := number(client, name)) != wanted:
        assert time.monotonic() < end, found
