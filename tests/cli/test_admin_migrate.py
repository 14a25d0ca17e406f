"""`plimsoll admin migrate`: up as a start does, down for an older release, and what it refuses."""

import io
from pathlib import Path

import pytest
from sqlalchemy import text

from registry.db import engine, migrate
from registry.settings import Settings
from registry.usecases import opening
from tests.cli.conftest import Done, run

BEFORE = f"{int(migrate.newest()) - 1:04}"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "plimsoll.toml"
    path.write_text('[registry]\ndata = "data"\n')
    return path


def migrated(config: Path, *arguments: str) -> Done:
    return run("admin", "migrate", *arguments, "--config", str(config), "-o", "json")


def test_check_says_what_a_start_would_do_and_makes_nothing(config: Path) -> None:
    done = migrated(config, "--check")
    assert done.code == 2
    assert done.document == {"before": "", "schema": "", "newest": migrate.newest()}
    assert not (config.parent / "data").exists()


def test_up_is_what_a_start_does_and_makes_no_keys(config: Path) -> None:
    assert migrated(config).document["schema"] == migrate.newest()
    assert migrated(config, "--check").code == 0
    assert not (config.parent / "data" / "keys").exists()
    opening.open_registry(Settings(config.parent / "data")).close()


def test_down_and_up_again(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrated(config)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    asked = migrated(config, "--to", BEFORE)  # nobody answers
    assert asked.code != 0
    assert migrated(config, "--check").code == 0
    done = migrated(config, "--to", BEFORE, "--yes")
    assert (done.document["before"], done.document["schema"]) == (migrate.newest(), BEFORE)
    assert migrated(config, "--check").code == 2
    refused = migrated(config, "--to", migrate.newest(), "--yes")
    assert "no way down" in refused.err
    assert migrated(config).document["before"] == BEFORE


@pytest.mark.parametrize("revision", ["9999", "base", "nonsense"])
def test_down_to_what_nobody_knows_is_refused(config: Path, revision: str) -> None:
    migrated(config)
    refused = migrated(config, "--to", revision, "--yes")
    assert refused.code == 1
    assert "knows no schema" in refused.err


def test_the_schema_of_a_newer_release_is_served_and_left_alone(config: Path) -> None:
    """An upgrade is taken back by the older program alone: what was added does not disturb it."""
    data = Settings(config.parent / "data")
    opening.open_registry(data).close()
    database = engine.connect(data.database)
    with database.migrating() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    opening.open_registry(data).close()
    with database.reading() as session:
        assert migrate.current(session) == "9999"
    database.close()
    assert migrated(config).document == {
        "before": "9999", "schema": "9999", "newest": migrate.newest(),
    }  # fmt: skip
    assert "only the release that knows" in migrated(config, "--to", BEFORE, "--yes").err


def test_a_reconciler_elsewhere_is_introduced_once_and_told_today_s_trust_root(
    config: Path, tmp_path: Path
) -> None:
    config.write_text(
        f'{config.read_text()}[reconciler]\nrepository = "x"\nstate = "there"\n'
        'token_file = "there/token"\ntrust_file = "there/trust.json"\n'
    )
    first = run("admin", "introduce", "--config", str(config))
    assert first.code == 0, first.err
    there = tmp_path / "there"
    key, token = (there / "reconciler.pem").read_bytes(), (there / "token").read_text()
    assert (there / "token").stat().st_mode & 0o077 == 0
    assert (there / "trust.json").read_bytes() == (tmp_path / "data" / "trust.json").read_bytes()
    (there / "trust.json").write_text("of yesterday")
    assert run("admin", "introduce", "--config", str(config)).code == 0
    assert (key, token) == ((there / "reconciler.pem").read_bytes(), (there / "token").read_text())
    assert b"reconciler" in (there / "trust.json").read_bytes()
