"""A real registry behind a real port, and `plimsoll` run against it in this process."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from registry.api.server import Server
from registry.cli import program
from registry.cli.client import Client
from registry.settings import Settings
from registry.trust import keys
from tests.formats import onnx_models


@dataclass(frozen=True)
class Done:
    """What one command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("CONTEXT", "CA", "SERVER", "TOKEN", "TOKEN_FILE", "TRUST", "KEY"):
        monkeypatch.delenv(f"PLIMSOLL_{name}", raising=False)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "publisher.pem"
    keys.write(keys.generate_signing_key(), path)
    return path


@pytest.fixture
def settings(tmp_path: Path, key: Path) -> Settings:
    return settings_of(tmp_path, key)


def settings_of(tmp_path: Path, key: Path) -> Settings:
    """A registry that trusts the key as alice's."""
    found = Settings(data_dir=tmp_path / "registry", listen=("127.0.0.1:0",))
    found.data_dir.mkdir()
    entry = {"name": "alice", "publicKey": keys.load_signing_key(key).public_pem}
    found.publishers_file.write_text(json.dumps({"publishers": [entry]}))
    return found


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    running = Server(settings)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def plimsoll(server: Server, settings: Settings, key: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command as the admin of the registry, with alice's key and the trust root at hand."""
    monkeypatch.setenv("PLIMSOLL_SERVER", server.addresses[0])
    monkeypatch.setenv("PLIMSOLL_TOKEN_FILE", str(settings.admin_token_file))
    monkeypatch.setenv("PLIMSOLL_TRUST", str(settings.trust_file))
    monkeypatch.setenv("PLIMSOLL_KEY", str(key))
    return run


@pytest.fixture
def client(plimsoll: Run, server: Server, settings: Settings) -> Iterator[Client]:
    token = settings.admin_token_file.read_text().strip()
    with Client(server.addresses[0], token) as opened:
        yield opened


def run(*arguments: object) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = program.main([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with an ONNX model and its external weights."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path, content in onnx_models.with_external_data().items():
        (folder / path).write_bytes(content)
    return folder
