"""Backup while serving, and restore elsewhere: every row, every byte, and the log to prove it."""

import itertools
import stat
import threading
from pathlib import Path

import pytest

from registry import errors
from registry.core import envelope, merkle, note
from registry.db import dump
from registry.settings import Settings
from registry.usecases import (
    backup,
    catalogue,
    erasure,
    log,
    opening,
    pull,
    sweep,
    verification,
)
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked
from tests.registry import postgres
from tests.registry.backups import all_bytes, all_rows, back_up, during, fill, put_back
from tests.registry.keeping import AT_ONCE, RECONCILER, ROOT, digests_of, publish_one, publish_some
from tests.registry.publishing import Publisher


@pytest.fixture
def full(registry: Registry, alice: Publisher) -> Registry:
    fill(registry, alice)
    return registry


@pytest.fixture
def other_database(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> str:
    """An empty database of the kind that `registry` is not on."""
    if database_url.startswith("sqlite"):
        socket_folder = request.getfixturevalue("postgres_socket")
        return postgres.create_database(socket_folder, f"r{tmp_path.name[-20:]}".lower())
    return f"sqlite:///{tmp_path / 'restored.db'}"


def test_everything_comes_back_in_the_other_kind_of_database_and_store(
    full: Registry, tmp_path: Path, other_database: str, bucket: str, alice: Publisher
) -> None:
    done = back_up(full, tmp_path / "backup")
    before, bytes_before, size = all_rows(full), all_bytes(full), log.size(full)
    assert (done.missing, done.entries) == ({}, size)
    restored = put_back(
        tmp_path / "backup", tmp_path / "new", database_url=other_database, storage=bucket
    )
    assert restored.has_keys
    assert restored.findings.flaws == []
    assert restored.findings.variants == 4
    settings = Settings(tmp_path / "new", database_url=other_database, storage=bucket)
    again = opening.open_registry(settings)
    after = all_rows(again)
    [last] = catalogue.latest(again, limit=1)
    assert (last.entry.kind, last.entry.detail["entries"]) == ("restored", size)
    for name in ("log_entries", "log_hashes"):  # grown by one entry
        after[name] = [row for row in after[name] if row in before[name]]
    assert after | {"log_head": []} == before | {"log_head": []}
    assert all_bytes(again) == bytes_before
    wanted = envelope.Wanted("digits", 4, catalogue.version(again, "digits", 4).digest or "")
    sent = pull.bundle(again, Asked("digits", 4), RECONCILER)
    assert isinstance(envelope.verify(sent, full.trust_root(), wanted), envelope.Verified)
    # What is counted goes on where it ended.
    assert publish_one(again, alice, 5).version == 5
    again.close()


def test_a_restored_registry_goes_back_the_way_it_came(
    full: Registry, tmp_path: Path, database_url: str, bucket: str
) -> None:
    """From a bucket into a folder, and within one kind of database."""
    back_up(full, tmp_path / "first")
    put_back(tmp_path / "first", tmp_path / "middle", storage=bucket)
    middle = opening.open_registry(Settings(tmp_path / "middle", storage=bucket))
    back_up(middle, tmp_path / "second")
    put_back(tmp_path / "second", tmp_path / "last")
    last = opening.open_registry(Settings(tmp_path / "last"))
    assert all_bytes(last) == all_bytes(full)
    assert verification.verify(last, full.trust_root()).flaws == []
    middle.close()
    last.close()


def test_the_log_goes_on_after_a_restore_as_one_log(full: Registry, tmp_path: Path) -> None:
    back_up(full, tmp_path / "backup")
    seen = note.verify_checkpoint(log.checkpoint(full), full.log_name)
    put_back(tmp_path / "backup", tmp_path / "new")
    again = opening.open_registry(Settings(tmp_path / "new"))
    now = note.verify_checkpoint(log.checkpoint(again), full.log_name)
    proof = log.consistency(again, seen.size, now.size)
    assert now.size > seen.size
    merkle.check_consistency((seen.size, seen.root), (now.size, now.root), proof)
    again.close()


def test_a_second_backup_copies_only_what_is_new_and_drops_what_was_erased(
    full: Registry, tmp_path: Path, alice: Publisher
) -> None:
    target = tmp_path / "backup"
    first = back_up(full, target)
    publish_one(full, alice, 7)
    erasure.erase(full, model="digits", version=5, reason="DSR 9", by=ROOT)
    publish_one(full, alice, 8)
    second = back_up(full, target)
    assert (first.copied, second.copied) == (first.blobs, 1)
    in_backup = {path.name for path in (target / "blobs" / "sha256").glob("??/*")}
    assert not {f"{d.removeprefix('sha256:')}" for d in digests_of(7) - digests_of(8)} & in_backup
    third = back_up(full, target)
    assert third.copied == 0
    assert len(list(target.glob("backup-*"))) == 1


def test_a_backup_is_for_its_owners_eyes_only(full: Registry, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    back_up(full, target)
    for path in (target, *target.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or "blobs" in path.parts
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert (next(target.glob("backup-*")) / "keys" / "log.pem").exists()


def test_a_backup_without_keys_needs_them_put_back_by_hand(full: Registry, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    back_up(full, target, with_keys=False)
    assert not [path for path in target.rglob("*") if path.suffix == ".pem"]
    assert not list(target.rglob("admin.token"))
    assert not put_back(target, tmp_path / "new").has_keys
    keys = tmp_path / "new" / "keys"
    keys.mkdir(mode=0o700)
    for file in (full.settings.data_dir / "keys").iterdir():
        (keys / file.name).write_bytes(file.read_bytes())
        (keys / file.name).chmod(0o600)
    again = opening.open_registry(Settings(tmp_path / "new"))
    assert verification.verify(again, full.trust_root()).flaws == []
    again.close()


def test_a_backup_is_on_record_in_itself(full: Registry, tmp_path: Path) -> None:
    back_up(full, tmp_path / "backup")
    put_back(tmp_path / "backup", tmp_path / "new")
    again = opening.open_registry(Settings(tmp_path / "new"))
    restored, backed_up = (logged.entry for logged in catalogue.latest(again, limit=2))
    assert (backed_up.kind, backed_up.actor) == ("backed_up", "admin:root")
    assert backed_up.detail == {"keys": True}
    assert restored.kind == "restored"
    again.close()


def test_what_is_published_while_a_backup_runs_does_not_disturb_it(
    registry: Registry, alice: Publisher, tmp_path: Path
) -> None:
    publish_some(registry, alice, 2)
    began, stop = threading.Event(), threading.Event()

    def keep_publishing() -> None:
        for number in itertools.count():
            publish_one(registry, alice, 3 + number % 3)
            began.set()
            if stop.is_set():
                return

    thread = threading.Thread(target=keep_publishing)
    thread.start()
    assert began.wait(60)
    for number in range(3):
        back_up(registry, tmp_path / f"backup-{number}")
    stop.set()
    thread.join()
    for number in range(3):
        restored = put_back(tmp_path / f"backup-{number}", tmp_path / f"new-{number}")
        assert restored.findings.flaws == []
        assert restored.findings.variants >= 3


def test_nothing_that_a_backup_is_about_to_copy_is_removed(full: Registry, tmp_path: Path) -> None:
    refused = []

    def clean() -> None:
        sweep.sweep(full, AT_ONCE)
        with pytest.raises(errors.Busy):
            erasure.erase(full, model="digits", version=1, reason="DSR", by=ROOT)
        refused.append(True)

    before = all_bytes(full)
    progress = during(clean, phase="bytes")
    done = backup.backup(full, tmp_path / "backup", with_keys=True, by=ROOT, progress=progress)
    assert refused
    assert all_bytes(full) == before
    assert done.blobs == len(before)
    assert erasure.erase(full, model="digits", version=1, reason="DSR", by=ROOT).log_index


def test_every_kind_of_column_survives(full: Registry) -> None:
    kinds = {column.kind for name in dump.tables() for column in dump.columns(name)}
    assert kinds == {"text", "integer", "number", "boolean", "bytes", "instant", "json"}
