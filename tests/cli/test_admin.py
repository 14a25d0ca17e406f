"""`plimsoll admin`: what an operator sees, and how each command ends."""

import getpass
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.settings import Settings
from registry.usecases import opening, transfers
from registry.usecases.opening import Registry
from tests.cli.conftest import run
from tests.registry.keeping import deploy, digests_of, publish_some
from tests.registry.publishing import Publisher

CONFIG = """
[registry]
data = "data"

[[registry.retention]]
model = "*"
keep_last = 1
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a registry with three old versions, the first deployed; and bytes of nobody."""
    path = tmp_path / "plimsoll.toml"
    path.write_text(CONFIG)
    registry = opening.open_registry(Settings(tmp_path / "data"))
    alice = Publisher()
    alice.list_in(registry.settings.publishers_file)
    transfers.put(registry, b"stray")
    publish_some(registry, alice, 3)
    deploy(registry, 1)
    registry.close()
    return path


@pytest.fixture
def registry(config: Path, tmp_path: Path) -> Iterator[Registry]:
    opened = opening.open_registry(Settings(tmp_path / "data"))
    yield opened
    opened.close()


def test_gc_says_what_would_go_and_why_and_changes_nothing(config: Path) -> None:
    done = run("admin", "gc", "--config", str(config))
    assert done.code == 0
    [line] = [line for line in done.out.splitlines() if line.startswith("digits@")]
    assert line.split()[:2] == ["digits@2", "expire"]
    assert "rule '*': 2nd newest, keep_last = 1" in line
    assert "2 stay: 1 newest, 1 deployed" in done.out
    assert "a dry run: nothing was changed" in done.out
    assert run("admin", "gc", "--config", str(config)).out == done.out


def test_gc_explains_every_version(config: Path) -> None:
    out = run("admin", "gc", "--explain", "--config", str(config)).out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("digits@")] == [
        "keep",
        "expire",
        "keep",
    ]
    assert "deployment production/digits wants or serves it" in out


def test_gc_applied_lets_go_and_says_it_as_json(config: Path, registry: Registry) -> None:
    done = run(
        "admin", "gc", "--apply", "--grace-hours", "0", "-o", "json", "--config", str(config)
    )
    assert [one["version"] for one in done.document["expiring"]] == [2]
    assert done.document["sweep"]["removed"]["count"] == 2
    assert set(registry.blobs.digests()) == digests_of(1) | digests_of(3)


def test_gc_ends_with_5_where_bytes_are_missing(config: Path, registry: Registry) -> None:
    for digest in digests_of(3) - digests_of(1):
        registry.blobs.delete(digest)
    done = run("admin", "gc", "--config", str(config))
    assert done.code == 5
    assert "MISSING" in done.out
    assert "plimsoll admin verify" in done.err


def test_a_hold_is_placed_shown_and_released(config: Path) -> None:
    at = ("--config", str(config))
    placed = run("admin", "hold", "place", "digits@2", "--reason", "case 114", "-o", "json", *at)
    [hold] = placed.document
    assert (hold["model"], hold["version"], hold["reason"]) == ("digits", 2, "case 114")
    assert re.fullmatch("admin:p-[0-9a-f]{16}", hold["placedBy"])
    who = hold["placedBy"].removeprefix("admin:")
    assert getpass.getuser() in run("admin", "person", "show", who, *at).out
    assert "digits@2" in run("admin", "hold", "list", *at).out
    assert "1 held" in run("admin", "gc", *at).out
    refused = run("admin", "erase", "digits@2", "--reason", "DSR", "--yes", *at)
    assert (refused.code, "legal hold 1" in refused.err) == (1, True)
    run("admin", "hold", "release", "1", "--reason", "settled", *at)
    assert "digits@2" not in run("admin", "hold", "list", *at).out
    assert "settled" in run("admin", "hold", "list", "--all", *at).out


def test_erasing_tells_what_went_and_what_stays_shared(config: Path) -> None:
    at = ("--config", str(config))
    done = run("admin", "erase", "digits@2", "--reason", "DSR 7", "--yes", *at)
    assert done.code == 0
    assert "stays: the same bytes are in digits@1 labels.txt, digits@3 labels.txt" in done.out
    again = run("admin", "erase", "digits@2", "--reason", "DSR 7", "--yes", *at)
    assert "erased before" in again.out
    document = run(
        "admin", "erase", "digits@3", "--reason", "x", "--yes", "-o", "json", *at
    ).document
    assert document[0]["removedBlobs"] == 1


@pytest.mark.parametrize(("answer", "code", "is_there"), [("n", 130, True), ("y", 0, False)])
def test_erasing_asks_first(
    config: Path,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    is_there: bool,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    done = run("admin", "erase", "digits@2", "--reason", "DSR 7", "--config", str(config))
    assert (done.code, "Erase digits@2? There is no way back" in done.err) == (code, True)
    assert (digests_of(2) <= set(registry.blobs.digests())) is is_there


def test_a_backup_is_taken_checked_and_restored(config: Path, tmp_path: Path) -> None:
    at = ("--config", str(config))
    saved = run("admin", "backup", str(tmp_path / "saved"), "-o", "json", *at).document
    assert (saved["blobs"], saved["copied"], saved["keys"], saved["missing"]) == (5, 5, True, {})
    checked = run("admin", "verify", "--backup", str(tmp_path / "saved"), *at)
    assert "intact" in checked.out
    new = tmp_path / "new.toml"
    new.write_text(CONFIG.replace('"data"', '"new"'))
    trust = ("--trust", str(tmp_path / "data" / "trust.json"))
    restored = run("admin", "restore", str(tmp_path / "saved"), *trust, "--config", str(new))
    assert (restored.code, "restored and verified" in restored.out) == (0, True)
    verified = run("admin", "verify", *trust, "--config", str(new), "-o", "json").document
    assert (verified["verdict"], verified["variants"], verified["flaws"]) == ("intact", 3, [])
    again = run("admin", "restore", str(tmp_path / "saved"), "--config", str(new))
    assert (again.code, "the database is not empty" in again.err) == (1, True)


def test_damage_ends_with_5_and_is_named(config: Path, registry: Registry, tmp_path: Path) -> None:
    [lost] = digests_of(3) - digests_of(1)
    registry.blobs.delete(lost)
    at = ("--config", str(config))
    found = run("admin", "verify", *at)
    assert (found.code, f"its bytes are gone ({lost})" in found.out) == (5, True)
    saved = run("admin", "backup", str(tmp_path / "saved"), *at)
    assert (saved.code, lost in saved.err) == (5, True)
    new = tmp_path / "new.toml"
    new.write_text(CONFIG.replace('"data"', '"new"'))
    assert run("admin", "restore", str(tmp_path / "saved"), "--config", str(new)).code == 5
    rest = run(
        "admin", "restore", str(tmp_path / "saved"), "--despite-missing", "--config", str(new)
    )
    assert rest.code == 0


def test_a_damaged_backup_is_told_without_restoring_it(config: Path, tmp_path: Path) -> None:
    at = ("--config", str(config))
    run("admin", "backup", str(tmp_path / "saved"), *at)
    [blob, *_] = (tmp_path / "saved" / "blobs" / "sha256").glob("??/*")
    blob.write_bytes(blob.read_bytes()[:-1])
    done = run("admin", "verify", "--backup", str(tmp_path / "saved"), *at)
    assert (done.code, blob.name in done.err) == (5, True)


def test_a_wrong_configuration_makes_no_registry(tmp_path: Path) -> None:
    (tmp_path / "plimsoll.toml").write_text(CONFIG)
    for words in (["gc"], ["verify"], ["backup", str(tmp_path / "saved")], ["hold", "list"]):
        done = run("admin", *words, "--config", str(tmp_path / "plimsoll.toml"))
        assert (done.code, "there is no registry in" in done.err) == (1, True)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("reference", ["", "Digits", "digits@", "digits@x", "digits@0", "@3"])
def test_a_reference_that_names_nothing_is_refused(config: Path, reference: str) -> None:
    done = run("admin", "erase", reference, "--reason", "x", "--yes", "--config", str(config))
    assert done.code == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[registry.retention]]\nkeep_last = 3", "retention[0].model"),
        ('[[registry.retention]]\nmodel = "*"', "retention[0].keep_last or keep_days"),
        ('[[registry.retention]]\nmodel = "*"\nkeep_last = -1', "above zero"),
        ('[[registry.retention]]\nmodel = "*"\nkeep_days = "9"', "retention[0].keep_days"),
        (
            '[[registry.retention]]\nmodel = "*"\nkeep_last = 1\nkeep = 2',
            "retention[0].keep is not",
        ),
        ("gc_grace_hours = -1", "gc_grace_hours must not be negative"),
        ("rollback_window_days = nan", "rollback_window_days must not be negative"),
    ],
)
def test_a_retention_setting_without_sense_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "plimsoll.toml"
    path.write_text(f"[registry]\n{text}\n")
    done = run("admin", "gc", "--config", str(path))
    assert (done.code, named in done.err) == (1, True), done.err
    assert done.out == ""
