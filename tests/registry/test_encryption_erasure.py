"""Erasing destroys keys and no backup brings them back; backups are as encrypted as blobs are."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from registry import errors
from registry.cli import main
from registry.core import entries
from registry.db import keys
from registry.settings import Encryption, Settings
from registry.store.archive import Archive
from registry.store.blobs import Stored
from registry.usecases import backup, erasure, log, opening, restore, transfers, verification
from registry.usecases.opening import Registry
from registry.usecases.restore import Wish
from tests.registry import spools
from tests.registry.keeping import ROOT, files_of, publish_one
from tests.registry.publishing import Publisher, digest_of
from tests.registry.test_encryption import BY_FILE, content, keys_of, on_disk, payload

MODEL = digest_of(files_of(1)["model.onnx"])
SHARED = digest_of(files_of(1)["labels.txt"])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "data", encryption=BY_FILE)


@pytest.fixture
def registry(settings: Settings, alice: Publisher) -> Iterator[Registry]:
    """Versions 1 and 2 of digits, which share a file."""
    alice.list_in(settings.publishers_file)
    opened = opening.open_registry(settings)
    for number in (1, 2):
        publish_one(opened, alice, number)
    yield opened
    opened.close()


def erase(registry: Registry, number: int = 1) -> erasure.Erased:
    return erasure.erase(registry, model="digits", version=number, reason="DSR 7", by=ROOT)


def back_up(registry: Registry, target: Path, *, with_keys: bool = True) -> None:
    backup.backup(registry, target, with_keys=with_keys, by=ROOT)


def put_back(source: Path, settings: Settings, *, despite: bool = False, **more: object) -> None:
    wish = Wish(Archive(source), despite_missing=despite, **more)  # type: ignore[arg-type]
    restore.restore(settings, wish, ROOT)


def test_erasing_destroys_the_keys_of_what_nobody_else_refers_to(registry: Registry) -> None:
    before = keys_of(registry)
    done = erase(registry)
    assert done.keys == 1
    assert set(before) - set(keys_of(registry)) == {MODEL}
    assert content(registry, SHARED) == files_of(1)["labels.txt"]
    with registry.database.reading() as session:
        assert keys.all_destroyed(session) == [before[MODEL].id]
    assert before[MODEL].id in registry.settings.destroyed_file.read_text()
    _, leaves = log.page(registry, start=0, limit=50)
    told = [entries.decode(leaf) for _, leaf in leaves]
    [entry] = [one for one in told if one.kind is entries.Kind.ERASED]
    assert entry.detail["keys"] == [before[MODEL].id]


def test_erasing_again_writes_the_list_that_a_crash_kept_from_being_written(
    registry: Registry,
) -> None:
    erase(registry)
    known = registry.settings.destroyed_file.read_bytes()
    registry.settings.destroyed_file.unlink()
    assert erase(registry).log_index is None
    assert registry.settings.destroyed_file.read_bytes() == known


def test_the_logs_proofs_hold_after_keys_are_destroyed(registry: Registry) -> None:
    erase(registry)
    assert verification.verify(registry, registry.trust_root()).flaws == []


def test_bytes_and_key_that_come_back_from_an_old_copy_open_nothing(registry: Registry) -> None:
    old, saved = keys_of(registry)[MODEL], payload(registry, MODEL).read_bytes()
    erase(registry)
    payload(registry, MODEL).write_bytes(saved)
    with pytest.raises(errors.KeyDestroyed):
        content(registry, MODEL)
    with registry.database.writing() as session:
        row = keys.Row(old.id, old.digest, old.header, old.wrapped_by)
        keys.add(session, [row], now=old.created_at)
        session.commit()
    with pytest.raises(errors.KeyDestroyed):
        content(registry, MODEL)


def test_an_upload_that_an_erasure_overtakes_is_refused_and_nothing_of_it_is_kept(
    registry: Registry,
) -> None:
    data = files_of(1)["model.onnx"]

    def claim(stored: Stored) -> None:
        registry.claims.make(stored)
        erase(registry)

    taking = registry.uploads.take(spools.flowing([data]), MODEL, size=len(data), claim=claim)
    with pytest.raises(errors.Conflict, match="erased while"):
        asyncio.run(taking)
    assert registry.blobs.size(MODEL) is None
    assert MODEL not in keys_of(registry)
    assert transfers.put(registry, data).digest == MODEL, "a new upload, under a new key"
    assert content(registry, MODEL) == data


def test_a_backup_of_encrypted_blobs_is_encrypted_and_comes_back(
    registry: Registry, tmp_path: Path, settings: Settings
) -> None:
    back_up(registry, tmp_path / "backup", with_keys=False)
    clear = files_of(1)["model.onnx"][:200]
    assert clear not in on_disk(tmp_path / "backup")
    again = replace(settings, data_dir=tmp_path / "new")
    with pytest.raises(errors.InvalidConfig, match="is not there"):
        put_back(tmp_path / "backup", again)
    again.key_file.parent.mkdir(parents=True, exist_ok=True)
    for name in ("blobs.key", "registry.pem", "log.pem", "secrets.key"):
        shutil.copy(settings.data_dir / "keys" / name, again.data_dir / "keys" / name)
    put_back(tmp_path / "backup", again)
    opened = opening.open_registry(again)
    for data in files_of(2).values():
        assert content(opened, digest_of(data)) == data
    assert payload(opened, MODEL).read_bytes() == payload(registry, MODEL).read_bytes()
    assert clear not in on_disk(again.data_dir)
    opened.close()


def test_a_second_backup_copies_only_what_is_new_and_its_bytes_are_checked(
    registry: Registry, tmp_path: Path, alice: Publisher
) -> None:
    back_up(registry, tmp_path / "backup")
    publish_one(registry, alice, 3)
    done = backup.backup(registry, tmp_path / "backup", with_keys=True, by=ROOT)
    assert (done.copied, done.blobs) == (1, 4)
    config = tmp_path / "plimsoll.toml"
    config.write_text('[registry]\ndata = "data"\nencryption = "file"\n')
    command = ["admin", "verify", "--backup", str(tmp_path / "backup"), "--config", str(config)]
    assert main(command) == 0
    name = MODEL.removeprefix("sha256:")
    file = tmp_path / "backup" / "blobs" / "age" / "sha256" / name[:2] / name
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    assert main(command) == 5


def test_an_old_backup_beside_the_list_of_destroyed_keys_is_refused(
    registry: Registry, tmp_path: Path, settings: Settings
) -> None:
    back_up(registry, tmp_path / "old")
    erase(registry)
    kept = shutil.copy(settings.destroyed_file, tmp_path / "kept-elsewhere.txt")
    again = replace(settings, data_dir=tmp_path / "new")
    with pytest.raises(errors.KeyDestroyed, match=r"digits@1 model\.onnx"):
        put_back(tmp_path / "old", again, destroyed=(Path(kept),))
    put_back(tmp_path / "old", again, despite=True, destroyed=(Path(kept),))
    opened = opening.open_registry(again)
    assert opened.blobs.size(MODEL) is None
    assert MODEL not in keys_of(opened)
    for data in files_of(2).values():
        assert content(opened, digest_of(data)) == data
    assert Path(kept).read_text() == again.destroyed_file.read_text()
    erase(opened)
    opened.close()


def test_a_restore_into_the_old_place_finds_its_list_there(
    registry: Registry, tmp_path: Path, settings: Settings
) -> None:
    back_up(registry, tmp_path / "old")
    erase(registry)
    again = replace(settings, data_dir=tmp_path / "new")
    again.data_dir.mkdir()
    shutil.copy(settings.destroyed_file, again.destroyed_file)
    with pytest.raises(errors.KeyDestroyed):
        put_back(tmp_path / "old", again)


@pytest.mark.parametrize("text", ["deadbeef\n", "x" * 32 + "\n"])
def test_a_list_of_destroyed_keys_that_is_none_is_refused(
    registry: Registry, tmp_path: Path, settings: Settings, text: str
) -> None:
    back_up(registry, tmp_path / "old")
    (tmp_path / "list.txt").write_text(text)
    again = replace(settings, data_dir=tmp_path / "new")
    with pytest.raises(errors.InvalidInput, match="is none"):
        put_back(tmp_path / "old", again, destroyed=(tmp_path / "list.txt",))


def test_a_clear_backup_comes_back_encrypted_and_not_the_other_way_round(
    tmp_path: Path, settings: Settings, alice: Publisher
) -> None:
    clear = replace(settings, data_dir=tmp_path / "clear", encryption=Encryption())
    alice.list_in(clear.publishers_file)
    first = opening.open_registry(clear)
    publish_one(first, alice, 1)
    back_up(first, tmp_path / "one")
    first.close()
    put_back(tmp_path / "one", settings)
    second = opening.open_registry(settings)
    assert content(second, MODEL) == files_of(1)["model.onnx"]
    assert set(keys_of(second)) == {MODEL, SHARED}
    transfers.put(second, b"and one more")
    back_up(second, tmp_path / "two")
    second.close()
    third = replace(settings, data_dir=tmp_path / "third", encryption=Encryption())
    with pytest.raises(errors.InvalidConfig, match="encryption is off"):
        put_back(tmp_path / "two", third)
    assert json.loads((tmp_path / "two" / "manifest.json").read_text())["files"]["keys.jsonl"]
