"""What was signed about a version goes with its bundle, and is filed by who may bring it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.api.server import Server
from registry.settings import Settings
from registry.trust import keys
from registry.usecases import access
from registry.usecases.access import Role
from tests.cli.conftest import Done, Run, run, settings_of
from tests.core.evidenced import PEOPLE
from tests.registry.conftest import ROOT


@dataclass(frozen=True)
class Inside:
    """A registry without a network: its address, and a token for each role."""

    server: Server
    folder: Path

    def run(self, role: Role, *words: object) -> Done:
        registry = self.server.app.state.registry
        token = self.folder / f"{role}.token"
        token.write_text(access.mint(registry, role=role, name=f"{role}-1", by=ROOT))
        return run(*words, "--server", self.server.addresses[0], "--token-file", token)


def list_people(settings: Settings) -> None:
    for role, name in (("approvers", "carol"), ("testers", "lab")):
        listed = {role: [{"name": name, "publicKey": PEOPLE[name].public_pem}]}
        settings.publishers_file.with_name(f"{role}.json").write_text(json.dumps(listed))


@pytest.fixture
def inside(tmp_path: Path, key: Path) -> Iterator[Inside]:
    folder = tmp_path / "inside"
    folder.mkdir()
    settings = settings_of(folder, key)
    list_people(settings)
    server = Server(settings)
    server.start()
    yield Inside(server, folder)
    server.stop()


@pytest.fixture
def settings(tmp_path: Path, key: Path) -> Settings:
    found = settings_of(tmp_path, key)
    list_people(found)
    return found


@pytest.fixture
def bundle(plimsoll: Run, server: Server, model: Path, tmp_path: Path) -> Path:
    """Of digits@1, which carol has approved."""
    assert plimsoll("push", "digits", model).code == 0
    keys.write(PEOPLE["carol"], tmp_path / "carol.pem")
    token = tmp_path / "carol.token"
    token.write_text(
        access.mint(server.app.state.registry, role=Role.APPROVER, name="carol", by=ROOT)
    )
    words = ("--key", tmp_path / "carol.pem", "--token-file", token)
    done = plimsoll("approve", "digits@1", "--reason", "the numbers hold", *words)
    assert done.code == 0, done.err
    out = tmp_path / "digits.tar"
    assert plimsoll("bundle", "export", "digits@1", "-o", out).code == 0
    return out


def test_an_approval_is_filed_by_an_approver_and_by_nobody_else(
    inside: Inside, bundle: Path
) -> None:
    brought = inside.run(Role.PUBLISHER, "bundle", "import", bundle)
    assert brought.code == 0, brought.err
    by_publisher = inside.run(Role.PUBLISHER, "bundle", "evidence", bundle)
    assert by_publisher.code == 4
    assert "not filed: approval: " in by_publisher.err
    assert "1 of 1 statements are not filed" in by_publisher.err
    for _ in range(2):
        filed = inside.run(Role.APPROVER, "bundle", "evidence", bundle)
        assert filed.code == 0, filed.err
        assert filed.out.startswith("approval sha256:")
    listed = inside.run(Role.AUDITOR, "evidence", "list", "digits@1", "-o", "json").document
    assert [(one["signer"], one["note"]) for one in listed if one["kind"] == "approval"] == [
        ("carol", "the numbers hold")
    ]


def test_whom_the_registry_does_not_list_has_approved_nothing_there(
    inside: Inside, bundle: Path
) -> None:
    settings = inside.server.app.state.registry.settings
    settings.approvers_file.write_text('{"approvers": []}')
    assert inside.run(Role.PUBLISHER, "bundle", "import", bundle).code == 0
    done = inside.run(Role.APPROVER, "bundle", "evidence", bundle)
    assert done.code == 4
    assert "not filed: approval: " in done.err
    listed = inside.run(Role.AUDITOR, "evidence", "list", "digits@1", "-o", "json").document
    assert [one for one in listed if one["kind"] == "approval"] == []
