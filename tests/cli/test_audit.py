"""`audit` and `status`: an auditor who trusts nobody, and every way to lie to one."""

import json
import sqlite3
from pathlib import Path

import pytest

from registry.cli.client import Client
from registry.settings import Settings
from tests.cli.conftest import Run

DIGEST = "sha256:" + "ab" * 32


def report(client: Client, kind: str, version: int, host: str = "edge-1") -> None:
    event = {
        "id": f"{kind}-{version}-{host}", "kind": kind, "model": "digits", "version": version,
        "digest": "sha256:" + f"{version:064x}", "host": host, "deployment": "production/digits",
        "commit": f"{version}" * 40, "reason": f"commit {version}",
    }  # fmt: skip
    client.call("POST", "/v1/events", json.dumps(event).encode())


def fill(client: Client, versions: int = 5) -> None:
    for version in range(1, versions + 1):
        report(client, "started", version)
        report(client, "deployed", version)


def tamper(settings: Settings, statement: str, *values: object) -> None:
    with sqlite3.connect(settings.data_dir / "registry.db") as database:
        changed = database.execute(statement, values).rowcount
    database.close()
    assert changed == 1


def test_an_intact_log_says_what_ran_where_when_and_from_which_commit(
    plimsoll: Run, client: Client
):
    fill(client, 2)
    done = plimsoll("audit", "verify")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split() == ["DEPLOYMENT", "HOST", "VERSION", "FROM", "UNTIL", "COMMIT", "WHY"]
    assert lines[1].split()[:3] == ["production/digits", "edge-1", "digits@1"]
    assert lines[2].split()[4:6] == ["now", "222222222222"]
    assert lines[-1].startswith("intact: 5 entries, root ")


def test_the_result_is_there_for_programs(plimsoll: Run, client: Client):
    fill(client, 2)
    found = plimsoll("audit", "verify", "-o", "json").document
    assert (found["verdict"], found["size"]) == ("intact", 5)
    assert [run["version"] for run in found["runs"]] == [1, 2]
    assert found["runs"][0]["until"] == found["runs"][1]["since"]


def test_a_changed_entry_is_found_with_5_and_its_place(
    plimsoll: Run, client: Client, settings: Settings
):
    fill(client)
    leaf = client.log_page(6, 1).leaves[0][1].replace(b"edge-1", b"edge-2")
    tamper(settings, 'UPDATE log_entries SET leaf = ? WHERE "index" = 6', leaf)
    done = plimsoll("audit", "verify")
    assert (done.code, done.out) == (5, "")
    assert "tile/entries/000.p/11: entry 6 is not the one that was signed" in done.err


@pytest.mark.parametrize("place", [0, 1, 7, 10])
def test_the_place_is_right_wherever_it_is(
    plimsoll: Run, client: Client, settings: Settings, place: int
):
    fill(client)
    leaf = client.log_page(place, 1).leaves[0][1].replace(b"time", b"tome")
    tamper(settings, 'UPDATE log_entries SET leaf = ? WHERE "index" = ?', leaf, place)
    assert f"entry {place} is not the one that was signed" in plimsoll("audit", "verify").err


def test_a_log_that_grew_extends_the_one_seen_before(plimsoll: Run, client: Client, tmp_path: Path):
    seen = tmp_path / "last"
    fill(client, 1)
    assert plimsoll("audit", "verify", "--last-checkpoint", seen).code == 0
    fill(client, 3)
    done = plimsoll("audit", "verify", "--last-checkpoint", seen)
    assert "extends the 3 seen before" in done.out
    assert seen.read_text() == client.checkpoint()


def test_a_log_that_shrank_is_refused_with_5(
    plimsoll: Run, client: Client, tmp_path: Path, settings: Settings
):
    """An old database was put back: everything in it is signed, and yet something is missing."""
    seen, database = tmp_path / "last", settings.data_dir / "registry.db"
    fill(client, 1)
    with sqlite3.connect(database) as source, sqlite3.connect(tmp_path / "old") as target:
        source.backup(target)
    source.close()
    target.close()
    fill(client, 4)
    assert plimsoll("audit", "verify", "--last-checkpoint", seen).code == 0
    with sqlite3.connect(tmp_path / "old") as source, sqlite3.connect(database) as target:
        source.backup(target)
    source.close()
    target.close()
    remembered = seen.read_text()
    done = plimsoll("audit", "verify", "--last-checkpoint", seen)
    assert done.code == 5
    assert "had 9 entries when it was last seen, here it has 3" in done.err
    assert seen.read_text() == remembered

    for version in (7, 8, 9, 10):
        report(client, "deployed", version)
    done = plimsoll("audit", "verify", "--last-checkpoint", seen)
    assert done.code == 5
    report(client, "deployed", 11)
    report(client, "deployed", 12)
    done = plimsoll("audit", "verify", "--last-checkpoint", seen)
    assert done.code == 5
    assert "the first 9 entries are not those that were signed earlier" in done.err


def test_a_log_signed_by_another_key_is_refused_with_5(
    plimsoll: Run, client: Client, tmp_path: Path, settings: Settings
):
    fill(client, 1)
    document = json.loads(settings.trust_file.read_text())
    document["log"]["publicKey"] = "A" * 43 + "="
    (tmp_path / "other.json").write_text(json.dumps(document))
    assert plimsoll("audit", "verify", "--trust", tmp_path / "other.json").code == 5


def test_without_a_trust_root_the_audit_says_what_it_cannot_show(
    plimsoll: Run, client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("PLIMSOLL_TRUST")
    done = plimsoll("audit", "verify")
    assert done.code == 0
    assert "taken from the registry itself" in done.err


def test_status_shows_the_three_statuses_with_their_reasons(plimsoll: Run, client: Client):
    document = {
        "commit": "c" * 40,
        "desired": {"model": "digits", "version": 3, "digest": DIGEST},
        "sync": {"status": "OutOfSync", "reason": "version 3 is quarantined"},
        "health": {"status": "Healthy", "reason": ""},
        "trust": {"status": "Verified", "reason": ""},
        "hosts": [
            {"host": "edge-1", "sync": "OutOfSync", "health": "Healthy", "trust": "Verified",
             "reason": "refused by acceptance", "stage": None,
             "serving": {"model": "digits", "version": 2}}
        ],
        "quarantined": [{"model": "digits", "version": 3, "reason": "accuracy 0.1", "branch": "b"}],
    }  # fmt: skip
    client.call("PUT", "/v1/deployments/production/digits", json.dumps(document).encode())
    row = plimsoll("status").out.splitlines()[1].split()
    assert row[:6] == [
        "production/digits", "digits@3", "cccccccccccc", "OutOfSync", "Healthy", "Verified",
    ]  # fmt: skip
    one = plimsoll("status", "production/digits")
    assert "digits@2" in one.out
    assert "accuracy 0.1; reverted on branch b" in one.out
    assert plimsoll("status", "production").code == 1
    assert plimsoll("status", "production/none").code == 1
