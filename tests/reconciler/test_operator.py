"""What an operator asks of a deployment, and reads: everything real around it but the hosts."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.observed import Health
from registry.cli import main
from tests.reconciler.town import DEPLOYMENT, Town, manifest, town
from tests.registry.publishing import Publisher

KEY = "production/digits"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    alice = Publisher()
    with town(tmp_path, alice) as made:
        monkeypatch.setenv("PLIMSOLL_SERVER", made.server.addresses[0])
        monkeypatch.setenv("PLIMSOLL_TOKEN", made.registry.headers["authorization"].split()[1])
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        made.publish(1, alice)
        made.publish(2, alice)
        made.deploy(1)
        yield made


def said(capsys: Capture, *words: str, code: int = 0) -> str:
    capsys.readouterr()  # what the reconciler wrote into its own log
    assert main(list(words)) == code, capsys.readouterr().err
    return capsys.readouterr().out


def documents(capsys: Capture, *words: str) -> Any:
    return json.loads(said(capsys, *words, "-o", "json"))


def test_an_operator_waits_for_a_version_and_reads_what_became_of_it_and_the_next(
    here: Town, capsys: Capture
) -> None:
    commit = here.origin.git("rev-parse", "HEAD")
    ended: list[int] = []
    words = ["wait", KEY, "--commit", commit[:12], "--version", "1", "--timeout", "10m"]
    waiting = threading.Thread(target=lambda: ended.append(main(words)))
    waiting.start()
    out = err = ""
    end = time.monotonic() + 120
    while f"{KEY}: no reconciler has told of it yet" not in err:
        assert time.monotonic() < end, (out, err)
        printed = capsys.readouterr()
        out, err = out + printed.out, err + printed.err
        time.sleep(0.01)
    here.settle()
    waiting.join(120)
    assert ended == [0], err
    assert f"\n{KEY}: synced and healthy: digits@1 after " in out + capsys.readouterr().out
    _two_versions(here, capsys)


def _two_versions(here: Town, capsys: Capture) -> None:
    commit = here.deploy(2)
    here.rounds(1)
    here.loop.tick()
    (found,) = documents(capsys, "diff", KEY)["differences"]
    assert (found["host"], found["difference"]) == ("edge-1", "version")
    assert found["desired"].startswith("digits@2 sha256:")
    assert found["observed"].startswith("digits@1 sha256:")
    said(capsys, "diff", KEY, "--detailed-exitcode", code=2)
    here.settle()
    assert f"{KEY}: no difference: 1 hosts serve digits@2" in said(
        capsys, "diff", KEY, "--detailed-exitcode"
    )
    newest, first = documents(capsys, "history", KEY)
    assert (newest["version"], newest["outcome"], newest["commit"]) == (2, "serving", commit)
    assert (first["version"], first["outcome"]) == (1, "replaced")
    assert newest["digest"] == here.digests[2]
    assert newest["hosts"] == ["edge-1"]
    lines = said(capsys, "history", KEY).splitlines()
    assert lines[0].split() == [
        "VERSION", "OUTCOME", "SINCE", "TOOK", "HOSTS", "COMMIT", "SIGNED", "BY", "REASON",
    ]  # fmt: skip
    assert lines[1].startswith("digits@2  serving")
    assert len(documents(capsys, "history", KEY, "--last", "1")) == 1
    told = said(capsys, "events", KEY, "--last", "500").splitlines()
    assert [line.split()[2] for line in told if "deployed" in line] == ["deployed", "deployed"]
    assert "no such" not in said(capsys, "history", "production/other")


def test_events_are_followed_as_they_happen(here: Town, capsys: Capture) -> None:
    from registry.cli import streaming
    from registry.cli.client import Client

    token = here.registry.headers["authorization"].split()[1]
    heard: list[Any] = []
    with Client(here.server.addresses[0], token) as client:
        after = client.log_page(0, 1).size - 1
        stream = streaming.events(client, after, deployment=KEY)
        reader = threading.Thread(target=lambda: heard.append(next(stream)), daemon=True)
        reader.start()
        here.settle()
        reader.join(60)
    assert heard[0]["subject"] == KEY


def test_a_wait_that_takes_too_long_ends_with_6_and_one_that_is_lost_with_1(
    here: Town, capsys: Capture
) -> None:
    here.settle()
    assert main(["wait", KEY, "--version", "2", "--timeout", "0s"]) == 6
    assert "version 1 is asked for, not yet 2, after 0s" in capsys.readouterr().err
    here.hosts["edge-1"].becomes[here.digests[2]] = Health.REFUSED
    here.deploy(2)
    here.settle()
    assert main(["wait", KEY, "--timeout", "10m"]) == 1
    assert "version 2 is quarantined" in capsys.readouterr().err
    assert "quarantined" in said(capsys, "history", KEY)


def test_a_change_is_planned_against_the_branch_it_is_meant_for(
    here: Town, capsys: Capture
) -> None:
    config = ["--config", str(here.folder / "plimsoll.toml")]
    work = here.origin.work
    words = ["plan", str(work), "--base", "main", *config]
    assert "no changes" in said(capsys, *words, "--detailed-exitcode")
    path = work / DEPLOYMENT
    path.write_text(manifest(2, here.digests[2]))
    printed = said(capsys, *words, "--detailed-exitcode", code=2)
    assert printed.startswith("allowed: 1 deployment, 1 host touched\n")
    row = next(line for line in printed.splitlines() if line.startswith(KEY))
    assert row.split()[1] == "updated"
    assert "alice" in row
    found = documents(capsys, *words)
    assert (found["kind"], found["verdict"]) == ("Review", "allowed")
    assert found["bound"]["head"] == "working folder"
    assert found["bound"]["logSize"] > 0
    assert said(capsys, *words, "-o", "md").startswith("<!-- plimsoll:plan")
    # Without the registry nobody can say who signed it; the files are compared all the same.
    assert "the registry was not asked" in said(capsys, *words, "--offline")
    path.write_text(manifest(2, "sha256:" + "0" * 64))
    assert "refused: " in said(capsys, *words, code=3)
    path.write_text("kind: [")
    assert "not YAML" in said(capsys, *words, code=1)
    said(capsys, "plan", str(work), "--base", "nowhere", *config, code=1)


def test_what_came_to_the_base_meanwhile_is_not_undone_by_a_plan(
    here: Town, capsys: Capture
) -> None:
    git, main_files = here.origin.git, here.origin.work / "models.d/hosts/edge-2.yaml"
    git("checkout", "-q", "-b", "mine")
    git("checkout", "-q", "main")
    main_files.write_text(main_files.read_text() + "# a remark\n")
    git("commit", "-qam", "Somebody else's change")
    git("checkout", "-q", "mine")
    words = ["plan", str(here.origin.work), "--offline", "--base", "main"]
    assert said(capsys, *words).startswith("no changes")
    assert said(capsys, *words, "--head", "mine").startswith("no changes")
    assert "edge-2.yaml: changed" in said(capsys, *words[:3], "--base", "mine", "--head", "main")


def test_the_log_of_a_runtime_comes_from_its_host(here: Town, capsys: Capture) -> None:
    here.settle()
    config = ["--config", str(here.folder / "plimsoll.toml")]
    lines = said(capsys, "logs", KEY, "--tail", "7", *config).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("edge-1 digits@1 | plimsoll-edge-1-production-digits-")
    said(capsys, "logs", KEY, "--host", "edge-9", *config, code=1)
    said(capsys, "logs", "production/none", *config, code=1)
    here.hosts["edge-1"].unreachable = "the cable is cut"
    assert main(["logs", KEY, *config]) == 1
    assert "edge-1: the cable is cut" in capsys.readouterr().err


def test_the_doctor_marks_each_part_and_says_how_to_mend_what_is_not_well(
    here: Town, capsys: Capture
) -> None:
    here.settle()
    words = ["doctor", "--config", str(here.folder / "plimsoll.toml")]
    printed = said(capsys, *words, code=0)
    parts = {line[2:16].strip(): line[0] for line in printed.splitlines()}
    for part in ("programs", "git", "clock", "database", "log", "storage", "token", "host edge-1"):
        assert parts[part] == "✔", printed
    (here.folder / "reconciler.token").write_text("plm_0000000000000000_" + "A" * 43)
    here.hosts["edge-2"].unreachable = "the cable is cut"
    broken = said(capsys, *words, code=1)
    assert "✖ token" in broken
    assert "fix: plimsoll token create reconciler" in broken
    assert "✖ host edge-2    the cable is cut\n" in broken
    assert "✔ host edge-1" in broken
    assert "A" * 43 not in broken
