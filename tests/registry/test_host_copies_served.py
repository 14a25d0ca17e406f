"""From an original to an answer by a host's own copy of it: the real registry and runtime."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from registry.api.server import Server
from registry.settings import Settings
from registry.usecases import access, catalogue
from registry.usecases.access import Role
from runtime.cache import digest_of
from tests.registry import copies
from tests.registry.copies import EDGE_1, ENCRYPTED, model_of, pulled
from tests.registry.keeping import ROOT
from tests.registry.test_encrypted_serving import Real
from tests.registry.test_hosts import enrol
from tests.runtime.process import Runtime
from tests.runtime.stand_in import StandIn


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return copies.published(tmp_path / "data", ENCRYPTED)


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    running = Server(settings)
    running.start()
    yield running
    running.stop()


def test_a_host_serves_a_copy_that_was_marked_and_encrypted_for_it_alone(
    server: Server, settings: Settings, tmp_path: Path
) -> None:
    registry = server.app.state.registry
    (tmp_path / "host").mkdir()
    real = Real(server.addresses[0], settings.trust_file)
    digest = catalogue.version(registry, "digits", 1).digest
    pin = {"model": "digits", "version": 1, "digest": digest, "format": "onnx", "active": True}
    host = Runtime(tmp_path / "host", cast("StandIn", real), models=[pin])
    host.write_config()
    token = access.mint(registry, role=Role.HOST, name="edge-1", by=ROOT)
    (tmp_path / "host" / "token").write_text(token)
    host.start()
    try:
        enrol(registry, "edge-1", host.get("/plimsoll/status").json()["recipient"])
        host.until_state("AVAILABLE")
        answer = host.post("/v1/models/digits:predict", {"instances": [[0.5] * 64]})
    finally:
        host.stop()
    assert len(answer.json()["predictions"][0]) == 8
    [kept] = host.cache.glob("versions/*/files/model.onnx")
    assert digest_of(kept) == model_of(pulled(registry, EDGE_1)).digest
    assert digest_of(kept) != model_of(pulled(registry, ROOT)).digest
