"""What is kept in memory is never shown once it has changed, whoever changed it."""

from collections.abc import Iterator

import pytest

from registry import errors
from registry.settings import Settings
from registry.usecases import access, annotate, catalogue, opening, publish
from registry.usecases.access import Caller, Role
from registry.usecases.annotate import Edit
from registry.usecases.opening import Registry
from registry.usecases.recent import Recent
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

FILES = {"model.onnx": onnx_model()}
SMALL = {"model.onnx": onnx_model(0.5)}


@pytest.fixture
def replica(registry: Registry) -> Iterator[Registry]:
    """A second registry over the same database, blobs and keys."""
    opened = opening.open_registry(
        Settings(registry.settings.data_dir, database_url=registry.settings.database_url)
    )
    yield opened
    opened.close()


def test_a_replica_sees_what_another_changed(
    registry: Registry, replica: Registry, alice: Publisher
) -> None:
    store(registry, FILES | {"small": SMALL["model.onnx"]})
    publish.publish(registry, alice.draft(FILES), ALICE)
    first = catalogue.version(replica, "digits", 1)
    assert catalogue.version(replica, "digits", 1) is first
    annotate.change_version(registry, "digits", 1, Edit(tags={"team": "risk"}), ALICE)
    assert catalogue.version(replica, "digits", 1).tags[0].value == "risk"
    publish.add_variant(registry, alice.draft(SMALL, version=1, variant="small"), ALICE)
    assert len(catalogue.version(replica, "digits", 1).variants) == 2
    annotate.change_version(registry, "digits", 1, Edit(description="reads digits"), ALICE)
    assert catalogue.version(replica, "digits", 1).description == "reads digits"


def test_a_token_is_remembered_and_forgotten_when_revoked(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_REMEMBERED_S", 3600.0)  # longer than any test
    root = Caller(Role.ADMIN, "root")
    secret = access.mint(registry, role=Role.AUDITOR, name="eve", by=root)
    assert access.remembered(registry, secret) is None
    assert access.recognise(registry, secret) == access.remembered(registry, secret)
    wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    assert access.remembered(registry, wrong) is None
    access.revoke(registry, secret.split("_")[1], reason="left", by=root)
    assert access.remembered(registry, secret) is None
    with pytest.raises(errors.Unauthenticated):
        access.recognise(registry, secret)


def test_only_the_last_few_are_kept() -> None:
    recent: Recent[int, str] = Recent(2)
    recent.put(1, "a")
    recent.put(2, "b")
    assert recent.get(1) == "a"
    recent.put(3, "c")
    assert (recent.get(1), recent.get(2), recent.get(3)) == ("a", None, "c")
    recent.drop(1)
    assert recent.get(1) is None
