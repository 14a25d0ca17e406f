"""A registry in service, checked against its own log: what was changed behind its back is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from registry.core import trustroot
from registry.settings import Settings
from registry.usecases import erasure, opening, verification
from registry.usecases.opening import Registry
from tests.registry.backups import during, fill
from tests.registry.keeping import ROOT, digests_of, publish_some
from tests.registry.publishing import Publisher


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Restoring into the other database checks it there."""
    return f"sqlite:///{tmp_path / 'registry.db'}"


@pytest.fixture
def full(registry: Registry, alice: Publisher) -> Registry:
    fill(registry, alice)
    return registry


def flaws(registry: Registry) -> list[str]:
    found = verification.verify(registry, registry.trust_root())
    return [f"{flaw.what}: {flaw.why}" for flaw in found.flaws]


def tamper(registry: Registry, statement: str) -> None:
    with registry.database.writing() as session:
        session.execute(text(statement))
        session.commit()


def test_an_honest_registry_has_no_flaw_and_everything_was_read(full: Registry) -> None:
    found = verification.verify(full, full.trust_root())
    assert (found.flaws, found.unlisted) == ([], {})
    assert (found.variants, found.blobs) == (4, 3)
    assert found.entries == 9
    assert len(found.root) == 64


DIGITS = "digits@4 (onnx): "


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE versions SET status = 'erased' WHERE id = 4", DIGITS + "it is erased, and no"),
        ("UPDATE versions SET status = 'expired' WHERE id = 4", DIGITS + "the files it refers to"),
        ("UPDATE variants SET publisher = 'bob' WHERE id = 4", DIGITS + "the registry's statement"),
        (
            "UPDATE files SET path = 'x' WHERE path = 'labels.txt'",
            DIGITS + "the files it refers to",
        ),
        ("UPDATE log_entries SET kind = 'pulled' WHERE rowid = 1", "entry 0 of the log: it is fil"),
        ("UPDATE log_head SET size = size - 1", "the log's head: it says"),
        ("DELETE FROM log_hashes WHERE level = 2", "the log's hashes: those of level 2"),
    ],
)
def test_what_was_changed_behind_its_back_is_named(
    full: Registry, statement: str, named: str
) -> None:
    tamper(full, statement)
    assert [one for one in flaws(full) if one.startswith(named)]


def test_lost_and_changed_bytes_are_named_by_version_and_file(full: Registry) -> None:
    [lost, *_] = digests_of(3) - digests_of(4)
    [changed, *_] = digests_of(4) - digests_of(3)
    full.blobs.delete(lost)
    path = full.settings.data_dir / "blobs" / "sha256" / changed[7:9] / changed[7:]
    path.chmod(0o600)
    path.write_bytes(bytes(len(path.read_bytes())))
    assert sorted(flaws(full)) == [
        f"digits@3 model.onnx: its bytes are gone ({lost})",
        f"digits@4 model.onnx: its bytes were changed ({changed})",
    ]


def test_bytes_that_go_while_they_are_checked_are_no_damage(
    registry: Registry, alice: Publisher
) -> None:
    publish_some(registry, alice, 2)

    def erase() -> None:
        erasure.erase(registry, model="digits", version=1, reason="DSR", by=ROOT)

    progress: Callable[[str, int, int], None] = during(erase, phase="bytes")
    found = verification.verify(registry, registry.trust_root(), progress)
    assert found.flaws == []


def test_a_publisher_who_is_listed_no_more_is_a_note_and_no_damage(full: Registry) -> None:
    Publisher("bob").list_in(full.settings.publishers_file)
    found = verification.verify(full, full.trust_root())
    assert (found.flaws, found.unlisted) == ([], {"alice": 3})


def test_another_registrys_trust_root_does_not_fit(full: Registry, settings: Settings) -> None:
    other = opening.open_registry(Settings(settings.data_dir / "other"))
    trust = trustroot.parse(other.settings.trust_file.read_bytes())
    other.close()
    [flaw] = verification.verify(full, trust).flaws
    assert flaw.what == "the log's checkpoint"
