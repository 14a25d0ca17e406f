"""From an encrypted store, over encrypted delivery, to an answer: the real registry and runtime."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx2
import pytest

from registry.api.server import Server
from registry.core import age
from registry.settings import Encryption, Settings
from registry.usecases import access, catalogue, publish
from registry.usecases.access import Role
from tests.registry.keeping import ROOT
from tests.registry.publishing import ALICE, Publisher, onnx_model, store
from tests.registry.test_hosts import enrol
from tests.runtime.process import Runtime
from tests.runtime.stand_in import StandIn


@dataclass
class Real:
    """A registry, as a runtime's configuration names one."""

    url: str
    trust_file: Path

    def trust(self) -> bytes:
        return self.trust_file.read_bytes()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    encryption = Encryption("file", require_delivery=True)
    return Settings(tmp_path / "data", listen=("127.0.0.1:0",), encryption=encryption)


@pytest.fixture
def host(server: Server, settings: Settings, tmp_path: Path, alice: Publisher) -> Iterator[Runtime]:
    """Its runtime is about to load version 1, with a host's token, and is not enrolled."""
    registry = server.app.state.registry
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    publish.publish(registry, alice.draft(files), ALICE)
    (tmp_path / "host").mkdir()
    real = Real(server.addresses[0], settings.trust_file)
    digest = catalogue.version(registry, "digits", 1).digest
    pin = {"model": "digits", "version": 1, "digest": digest, "format": "onnx", "active": True}
    runtime = Runtime(tmp_path / "host", cast("StandIn", real), models=[pin])
    token = access.mint(registry, role=Role.HOST, name="edge-1", by=ROOT)
    settings.trust_file.write_bytes(_trust(server))
    runtime.write_config()
    (tmp_path / "host" / "token").write_text(token)
    yield runtime
    if runtime.child is not None:
        runtime.stop()


def _trust(server: Server) -> bytes:
    """As it is now that a publisher is listed."""
    token = access.mint(server.app.state.registry, role=Role.VIEWER, name="v", by=ROOT)
    headers = {"authorization": f"Bearer {token}"}
    return httpx2.get(f"{server.addresses[0]}/v1/trust", headers=headers).content


def test_a_host_serves_a_model_that_it_only_ever_got_encrypted(
    host: Runtime, server: Server
) -> None:
    host.start()
    status = host.get("/plimsoll/status").json()
    assert age.recipient(status["recipient"])
    assert (host.cache / "identity.age").stat().st_mode & 0o777 == 0o600
    assert status["models"][0]["state"] != "AVAILABLE", "it has no key here yet"
    enrol(server.app.state.registry, "edge-1", status["recipient"])
    host.until(lambda: host.get("/plimsoll/status").json()["models"][0]["state"] == "AVAILABLE")
    answer = host.post("/v1/models/digits:predict", {"instances": [[1.0, 2.0, 3.0, 4.0]]})
    assert answer.json() == {"predictions": [[2.0, 3.0, 4.0, 5.0]]}
