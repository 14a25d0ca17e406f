"""Backups that are not whole, not intact, or interrupted: never mistaken for good ones."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry import errors
from registry.settings import Settings
from registry.store.archive import Archive
from registry.store.folder import FolderStore
from registry.usecases import backup, opening, restore, verification
from registry.usecases.opening import Registry
from registry.usecases.restore import Wish
from tests.registry.backups import all_bytes, back_up, during, fill, put_back, with_blobs
from tests.registry.keeping import ROOT, digests_of, publish_one, publish_some
from tests.registry.publishing import Publisher, digest_of
from tests.registry.test_sweep_races import PowerCut


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Publisher]:
    """A registry's folder `data` and a whole `backup` of it, to be copied; and who published."""
    folder, alice = tmp_path_factory.mktemp("template"), Publisher()
    opened = opening.open_registry(Settings(folder / "data"))
    alice.list_in(opened.settings.publishers_file)
    fill(opened, alice)
    back_up(opened, folder / "backup")
    opened.close()
    return folder, alice


@pytest.fixture
def saved(template: tuple[Path, Publisher], tmp_path: Path) -> Path:
    """A whole backup."""
    return Path(shutil.copytree(template[0] / "backup", tmp_path / "backup"))


@pytest.fixture
def full(template: tuple[Path, Publisher], tmp_path: Path) -> Iterator[Registry]:
    """The registry that it was taken of."""
    shutil.copytree(template[0] / "data", tmp_path / "data")
    opened = opening.open_registry(Settings(tmp_path / "data"))
    yield opened
    opened.close()


@pytest.fixture
def registry(tmp_path: Path, alice: Publisher) -> Iterator[Registry]:
    """An empty one. On SQLite alone: what is damaged here are files."""
    opened = opening.open_registry(Settings(tmp_path / "data"))
    alice.list_in(opened.settings.publishers_file)
    yield opened
    opened.close()


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def the_file(saved: Path, name: str) -> Path:
    [folder] = saved.glob("backup-*")
    return folder / name


@pytest.mark.parametrize(
    "name",
    ["tables/versions.jsonl", "tables/log_entries.jsonl", "blobs.jsonl", "keys/log.pem",
     "trust.json", "publishers.json"],
)  # fmt: skip
@pytest.mark.parametrize("harm", [flip, Path.unlink], ids=["changed", "lost"])
def test_a_damaged_file_is_named_and_nothing_is_restored(
    saved: Path, tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    harm(the_file(saved, name))
    with pytest.raises(errors.IntegrityError, match=name):
        put_back(saved, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("harm", [flip, Path.unlink], ids=["changed", "lost"])
def test_a_damaged_blob_is_named_with_the_version_it_is_of(
    saved: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    [digest, *_] = digests_of(4) - digests_of(3)
    name = digest.removeprefix("sha256:")
    harm(saved / "blobs" / "sha256" / name[:2] / name)
    with pytest.raises(
        errors.IntegrityError, match=rf"{digest} \(digits@4 model.onnx\): its bytes"
    ):
        put_back(saved, tmp_path / "new")
    with pytest.raises(errors.InvalidConfig, match="was begun and has not ended"):
        opening.open_registry(Settings(tmp_path / "new"))


def test_after_a_refusal_a_good_copy_is_restored_to_the_same_place(
    full: Registry, saved: Path, tmp_path: Path
) -> None:
    [digest, *_] = digests_of(4) - digests_of(3)
    name = digest.removeprefix("sha256:")
    (saved / "blobs" / "sha256" / name[:2] / name).unlink()
    with pytest.raises(errors.IntegrityError):
        put_back(saved, tmp_path / "new")
    assert back_up(full, saved).copied == 1
    put_back(saved, tmp_path / "new")
    again = opening.open_registry(Settings(tmp_path / "new"))
    assert all_bytes(again) == all_bytes(full)
    again.close()


def rewrite(
    saved: Path, table: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> None:
    """Forge a table, and the sums that cover it: what a careful forger would do."""
    path = the_file(saved, f"tables/{table}.jsonl")
    head, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    names = [name for name, _ in head]
    rows = [change(dict(zip(names, line, strict=True))) for line in lines]
    kept = [head, *([row[name] for name in names] for row in rows if row is not None)]
    content = "".join(json.dumps(line) + "\n" for line in kept).encode()
    path.write_bytes(content)
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["files"][f"tables/{table}.jsonl"] = {
        "sha256": hashlib.sha256(content).hexdigest(), "size": len(content),
    }  # fmt: skip
    manifest["tables"] = [
        [name, len(kept) - 1 if name == table else count] for name, count in manifest["tables"]
    ]
    (saved / "manifest.json").write_text(json.dumps(manifest))


def without(**wanted: object) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda row: None if wanted.items() <= row.items() else row


def having(key: str, value: object, **wanted: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: row | {key: value} if wanted.items() <= row.items() else row


FORGERIES: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any] | None], str]] = {
    "an entry of the log left out": (
        "log_entries",
        without(kind="held"),
        "of the log: it is missing",
    ),
    "an entry of the log changed": (
        "log_entries",
        having("leaf", "e30=", index=3),
        "entry 3 of the log",
    ),
    "an entry filed under another kind": (
        "log_entries",
        having("kind", "pulled", index=1),
        "entry 1 of the log",
    ),
    "a hash of the log changed": (
        "log_hashes",
        having("hash", "A" * 43 + "=", level=1, index=0),
        "the log's hashes",
    ),
    "a head that says less": ("log_head", having("size", 2), "the log's head"),
    "another manifest": (
        "variants",
        having("manifest", "e30=", version_id=4),
        r"digits@4 \(onnx\)",
    ),
    "another digest": (
        "variants",
        having("digest", "sha256:" + "0" * 64, version_id=4),
        r"digits@4 \(onnx\)",
    ),
    "another statement": (
        "variants",
        having("registry_bundle", "e30=", version_id=4),
        r"digits@4 \(onnx\): the registry's statement",
    ),
    "another signature": (
        "variants",
        having("publisher_bundle", "e30=", version_id=4),
        r"digits@4 \(onnx\): the model's signature",
    ),
    "another publisher": (
        "variants",
        having("publisher", "mallory", version_id=4),
        r"digits@4 \(onnx\): the registry's statement",
    ),
    "a file left out": (
        "files",
        without(variant_id=4, path="labels.txt"),
        r"digits@4 \(onnx\): the files",
    ),
    "an erased version that seems to be there": (
        "versions",
        having("status", "ready", id=2),
        r"digits@2 \(onnx\)",
    ),
    "a version that seems to be erased": (
        "versions",
        having("status", "erased", id=4),
        r"digits@4 \(onnx\): it is erased, and no entry",
    ),
    "another number": ("versions", having("version", 9, id=3), r"digits@9 \(onnx\)"),
}


@pytest.mark.parametrize("flaw", FORGERIES)
def test_a_forged_row_is_found_by_the_log_and_nothing_is_restored(
    saved: Path, tmp_path: Path, flaw: str
) -> None:
    table, change, named = FORGERIES[flaw]
    rewrite(saved, table, change)
    with pytest.raises((errors.IntegrityError, errors.Conflict), match=named):
        put_back(saved, tmp_path / "new")
    with pytest.raises(errors.InvalidConfig, match="has not ended"):
        opening.open_registry(Settings(tmp_path / "new"))


def test_a_publication_that_lost_its_version_is_named(saved: Path, tmp_path: Path) -> None:
    for table, wanted in (
        ("files", {"variant_id": 4}),
        ("oci_evidence", {"variant_id": 4}),
        ("variants", {"version_id": 4}),
        ("aliases", {"version": 4}),
        ("versions", {"id": 4}),
    ):
        rewrite(saved, table, without(**wanted))
    with pytest.raises(errors.IntegrityError, match="digits@4: published in entry"):
        put_back(saved, tmp_path / "new")


def test_a_forged_backup_with_keys_of_its_own_is_told_by_a_trust_root_from_elsewhere(
    full: Registry, saved: Path, tmp_path: Path, alice: Publisher
) -> None:
    other = opening.open_registry(Settings(tmp_path / "other"))
    alice.list_in(other.settings.publishers_file)
    fill(other, alice)
    back_up(other, tmp_path / "forged")
    wish = Wish(Archive(tmp_path / "forged"), trust=full.trust_root())
    with pytest.raises(errors.IntegrityError, match="the log's checkpoint"):
        restore.restore(Settings(tmp_path / "new"), wish, ROOT)
    other.close()


@pytest.mark.parametrize(
    ("phase", "step"), [("tables", 1), ("tables", 9), ("bytes", 1), ("bytes", 4)]
)
def test_an_interrupted_backup_is_no_backup_and_the_next_one_goes_on(
    registry: Registry, alice: Publisher, tmp_path: Path, phase: str, step: int
) -> None:
    publish_some(registry, alice, 3)
    target = tmp_path / "backup"
    with pytest.raises(PowerCut):
        backup.backup(registry, target, with_keys=True, by=ROOT, progress=cut(phase, step))
    with pytest.raises(errors.InvalidInput, match="no whole backup"):
        put_back(target, tmp_path / "new")
    back_up(registry, target)
    assert len(list(target.glob("backup-*"))) == 1
    assert put_back(target, tmp_path / "new").findings.flaws == []


def cut(phase: str, step: int) -> Callable[[str, int, int], None]:
    left = [step]

    def progress(current: str, _done: int, _total: int) -> None:
        left[0] -= current == phase
        if not left[0]:
            raise PowerCut

    return progress


def test_an_interrupted_second_backup_leaves_the_first(
    full: Registry, template: tuple[Path, Publisher], saved: Path, tmp_path: Path
) -> None:
    publish_one(full, template[1], 7)
    with pytest.raises(PowerCut):
        backup.backup(full, saved, with_keys=True, by=ROOT, progress=cut("bytes", 2))
    assert put_back(saved, tmp_path / "new").findings.variants == 4


@pytest.mark.parametrize(
    ("phase", "step"), [("bytes", 2), ("tables", 1), ("tables", 9), ("log", 1)]
)
def test_an_interrupted_restore_is_no_registry_and_goes_on(
    full: Registry, saved: Path, tmp_path: Path, phase: str, step: int
) -> None:
    settings = Settings(tmp_path / "new")
    with pytest.raises(PowerCut):
        restore.restore(settings, Wish(Archive(saved)), ROOT, cut(phase, step))
    with pytest.raises(errors.InvalidConfig, match="has not ended"):
        opening.open_registry(settings)
    restore.restore(settings, Wish(Archive(saved)), ROOT)
    again = opening.open_registry(settings)
    assert all_bytes(again) == all_bytes(full)
    assert verification.verify(again, full.trust_root()).flaws == []
    again.close()


def test_a_restore_killed_after_its_rows_are_in_is_finished(
    full: Registry, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path / "new")
    unlink = Path.unlink

    def failing(self: Path, missing_ok: bool = False) -> None:
        if self.name == opening.RESTORING:
            raise PowerCut
        unlink(self, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", failing)
        with pytest.raises(PowerCut):
            restore.restore(settings, Wish(Archive(saved)), ROOT)
    assert restore.restore(settings, Wish(Archive(saved)), ROOT).findings.flaws == []
    again = opening.open_registry(settings)
    assert verification.verify(again, full.trust_root()).flaws == []
    again.close()


def test_bytes_that_were_lost_before_are_told_and_the_rest_is_saved(
    registry: Registry, alice: Publisher, tmp_path: Path
) -> None:
    publish_some(registry, alice, 2)
    [lost, *_] = digests_of(2) - digests_of(1)
    [changed, *_] = digests_of(1) - digests_of(2)
    registry.blobs.delete(lost)
    path = registry.blobs.local(changed, tmp_path)
    path.chmod(0o600)
    flip(path)
    done = back_up(registry, tmp_path / "backup")
    assert done.missing == {lost: "its bytes are gone", changed: "its bytes were changed"}
    with pytest.raises(errors.IntegrityError, match="2 blobs were lost before"):
        put_back(tmp_path / "backup", tmp_path / "new")
    wish = Wish(Archive(tmp_path / "backup"), despite_missing=True)
    found = restore.restore(Settings(tmp_path / "new"), wish, ROOT).findings
    assert (found.flaws, found.blobs) == ([], 1)
    again = opening.open_registry(Settings(tmp_path / "new"))
    named = {flaw.what for flaw in verification.verify(again, registry.trust_root()).flaws}
    assert named == {"digits@1 model.onnx", "digits@2 model.onnx"}
    again.close()


def test_a_restore_never_mixes_with_what_is_there(
    full: Registry, saved: Path, tmp_path: Path
) -> None:
    opening.open_registry(Settings(tmp_path / "running")).close()
    with pytest.raises(errors.Conflict, match="is there, and is not the one in the backup"):
        put_back(saved, tmp_path / "running")
    url = f"sqlite:///{tmp_path / 'running' / 'registry.db'}"
    with pytest.raises(errors.Conflict, match="the database is not empty"):
        put_back(saved, tmp_path / "new", database_url=url)
    stray = Settings(tmp_path / "stray")
    FolderStore(Path(stray.blobs)).put(b"stray", digest_of(b"stray"))
    with pytest.raises(errors.Conflict, match="the blob store is not empty"):
        put_back(saved, tmp_path / "stray")


def test_a_folder_of_something_else_is_not_written_to(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.odt").write_text("years of work")
    with pytest.raises(errors.Conflict, match=r"something else than a backup: thesis\.odt"):
        back_up(registry, tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.odt"]


def test_two_backups_into_one_folder_take_turns(
    registry: Registry, alice: Publisher, tmp_path: Path
) -> None:
    publish_some(registry, alice, 1)
    told = []

    def second() -> None:
        with pytest.raises(errors.Conflict, match="another backup"):
            back_up(registry, tmp_path / "backup")
        told.append(True)

    progress = during(second, phase="bytes")
    backup.backup(registry, tmp_path / "backup", with_keys=True, by=ROOT, progress=progress)
    assert told


def test_a_backup_of_another_log_or_a_newer_schema_is_refused_at_once(
    saved: Path, tmp_path: Path
) -> None:
    other = Settings(tmp_path / "new", origin="another.example/log")
    with pytest.raises(errors.InvalidConfig, match="the backup's log is called"):
        restore.restore(other, Wish(Archive(saved)), ROOT)
    manifest = json.loads((saved / "manifest.json").read_text())
    (saved / "manifest.json").write_text(json.dumps(manifest | {"schema": "9999"}))
    with pytest.raises(errors.InvalidConfig, match="schema 9999"):
        put_back(saved, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"format": "tar"}', b"\xff\xfe", b"[1, 2]", b'{"format": 1'],
)
def test_a_manifest_that_is_none_is_refused(saved: Path, tmp_path: Path, content: bytes) -> None:
    (saved / "manifest.json").write_bytes(content)
    with pytest.raises(errors.IntegrityError, match=r"manifest\.json"):
        put_back(saved, tmp_path / "new")


def test_a_manifest_cannot_name_files_elsewhere(saved: Path, tmp_path: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["files"]["../../etc/passwd"] = {"sha256": "0", "size": 0}
    (saved / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(errors.IntegrityError, match="names files elsewhere"):
        put_back(saved, tmp_path / "new")


def test_a_store_that_fails_in_the_middle_ends_the_backup(
    registry: Registry, alice: Publisher, tmp_path: Path
) -> None:
    publish_some(registry, alice, 2)

    class Failing:
        def __getattr__(self, name: str) -> Any:
            if name == "read":
                raise errors.Unavailable("the object store does not answer")
            return getattr(registry.blobs, name)

    with pytest.raises(errors.Unavailable):
        back_up(with_blobs(registry, Failing()), tmp_path / "backup")
    assert back_up(registry, tmp_path / "backup").missing == {}
