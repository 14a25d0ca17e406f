"""Every command of docs/trust/audit.md does what it says, in the order in which it stands there."""

import json
import re
import shlex
from pathlib import Path

import pytest

from registry.api.server import Server
from registry.cli.client import Client
from registry.core.audit import documents, layout, readme
from registry.settings import Settings
from tests.cli.conftest import Run

PAGE = (Path(__file__).parents[2] / "docs" / "trust" / "audit.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture
def here(
    plimsoll: Run,
    model: Path,
    client: Client,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder with trust.json, and a registry in which fraud 1 serves edge-1."""
    digest = plimsoll("push", "fraud", model, "-o", "json").document["digest"]
    for kind in ("deploying", "deployed"):
        event = {
            "id": kind, "kind": kind, "model": "fraud", "version": 1, "digest": digest,
            "host": "edge-1", "deployment": "production/fraud", "commit": "a" * 40,
        }  # fmt: skip
        client.call("POST", "/v1/events", json.dumps(event).encode())
    (tmp_path / "trust.json").write_bytes(settings.trust_file.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLIMSOLL_TRUST")
    return tmp_path


def test_the_worked_example_works(here: Path, plimsoll: Run, server: Server) -> None:
    assert len(COMMANDS) == 10
    for command in COMMANDS:
        program, *words = shlex.split(command)
        done = plimsoll(*words)
        assert (program, done.code, done.err.count("warning")) == ("plimsoll", 0, 0), done.err
        if words[1] == "export":
            server.stop()  # nothing after it needs a registry
    assert {path.name for path in here.iterdir()} >= {
        "bundle.tar",
        "fraud-1.tlog-proof",
        "report.html",
    }


def test_every_kind_of_file_and_every_role_is_explained() -> None:
    roles = {role for roles in documents.ROLES.values() for role in roles}
    for text in (PAGE, readme.TEXT):
        for name in (layout.README, layout.TRUST, layout.CHECKPOINT, "checkpoints/<size>", *roles):
            assert name in text
