"""`audit query` and `audit proof`, from a bundle and from the registry itself."""

import json
from pathlib import Path

import pytest

from registry.core import canonical
from registry.core.entries import Kind
from tests.cli.conftest import Run, run
from tests.core import audited
from tests.core.audited import Story, event


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A story whose registry is nowhere: digits 1, then 2, on edge-1; 1 on edge-2."""
    story = Story().published("digits", 1).published("digits", 2).approved("digits", 2)
    one, two = story.digest(1), story.digest(2)
    story = story.then(
        event(Kind.DEPLOYING, 1, 0, digest=one),
        event(Kind.DEPLOYED, 1, 1, digest=one),
        event(Kind.DEPLOYED, 1, 2, digest=one, host="edge-2"),
        event(Kind.TESTED, 2, 9, digest=two),
        event(Kind.DEPLOYING, 2, 10, digest=two),
        event(Kind.DEPLOYED, 2, 12, digest=two),
        event(Kind.REMOVED, 1, 13, digest=one),
    )
    path = tmp_path / "bundle.tar"
    path.write_bytes(audited.packed(story.members()))
    trust = tmp_path / "audited.json"
    trust.write_bytes(canonical.encode(audited.TRUST.document()))
    monkeypatch.setenv("PLIMSOLL_TRUST", str(trust))
    monkeypatch.setenv("PLIMSOLL_SERVER", "http://127.0.0.1:1")
    return path


def answers(bundle: Path, *arguments: str) -> list[dict[str, object]]:
    done = run("audit", "query", "--bundle", bundle, *arguments, "-o", "json")
    assert done.code == 0, done.err
    found: list[dict[str, object]] = done.document
    return found


def test_what_served_a_host_at_a_moment_is_told_with_who_approved_it(bundle: Path) -> None:
    [one] = answers(bundle, "--at", "2026-11-23T09:12:30Z", "--host", "edge-1")
    assert (one["model"], one["version"], one["state"]) == ("digits", 2, "serving")
    assert (one["commit"], one["publisher"]) == (f"{2:040x}", "alice")
    assert one["announced"] == {"index": 7, "time": "2026-11-23T09:10:00.000Z"}
    assert one["since"] == {"index": 8, "time": "2026-11-23T09:12:00.000Z"}
    [approval] = one["approvals"]  # type: ignore[misc]
    assert (approval["signer"], approval["index"]) == ("bob", 2)
    kinds = [step["kind"] for step in one["trail"]]  # type: ignore[attr-defined]
    assert kinds == ["published", "approved", "tested"]


def test_before_that_the_other_version_served_and_this_one_was_announced(bundle: Path) -> None:
    found = answers(bundle, "--at", "2026-11-23T09:11:00Z", "--host", "edge-1")
    assert [(one["version"], one["state"]) for one in found] == [(1, "serving"), (2, "announced")]


def test_before_anything_was_deployed_nothing_served(bundle: Path) -> None:
    assert answers(bundle, "--at", "2026-11-23T08:59:59Z") == []


def test_everything_that_ever_served_is_listed(bundle: Path) -> None:
    done = run("audit", "query", "--bundle", bundle, "--served")
    rows = [line.split()[:4] for line in done.out.splitlines()[1:]]
    assert rows == [
        ["edge-1", "production/digits", "digits@1", "serving"],
        ["edge-2", "production/digits", "digits@1", "serving"],
        ["edge-1", "production/digits", "digits@2", "serving"],
    ]


def test_entries_are_found_by_who_what_where_and_when(bundle: Path) -> None:
    assert [one["index"] for one in answers(bundle, "--host", "edge-2")] == [5]
    assert [one["index"] for one in answers(bundle, "--kind", "approved")] == [2]
    assert [one["index"] for one in answers(bundle, "--person", "p-0123456789abcdef")] == [2]
    assert [one["index"] for one in answers(bundle, "--person", "bob")] == [2]
    assert [one["index"] for one in answers(bundle, "--person", "alice")] == [0, 1]
    assert [one["index"] for one in answers(bundle, "--commit", "0" * 39 + "2")] == [6, 7, 8]
    found = answers(bundle, "--from", "2026-11-23T09:10:00Z", "--to", "2026-11-23T09:12:00Z")
    assert [one["index"] for one in found] == [7, 8]


def test_lines_are_one_document_each(bundle: Path) -> None:
    done = run("audit", "query", "--bundle", bundle, "--kind", "deployed", "-o", "lines")
    assert [json.loads(line)["version"] for line in done.out.splitlines()] == [1, 1, 2]


def test_a_moment_that_is_none_is_refused(bundle: Path) -> None:
    assert run("audit", "query", "--bundle", bundle, "--at", "yesterday").code == 1
    done = run("audit", "query", "--bundle", bundle, "--at", "2026-11-23T09:00:00")
    assert "does not say its time zone" in done.err


def test_no_answer_comes_from_a_changed_bundle(bundle: Path) -> None:
    bundle.write_bytes(bundle.read_bytes().replace(b"edge-2", b"edge-3", 1))
    done = run("audit", "query", "--bundle", bundle, "--served")
    assert (done.code, done.out) == (5, "")
    assert "entry 5 is not the one that was signed" in done.err


def test_a_proof_of_an_entry_is_checked_by_the_trust_root_alone(
    bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "x.tlog-proof"
    made = run("audit", "proof", "digits", 2, "--bundle", bundle, "--out", file)
    assert made.code == 0, made.err
    done = run("audit", "proof", "--check", file, "-o", "json")
    assert done.code == 0, done.err
    assert (done.document["index"], done.document["entry"]["version"]) == (1, 2)
    file.write_text(file.read_text().replace("index 1", "index 2"))
    assert run("audit", "proof", "--check", file).code == 5


def test_a_proof_of_what_is_not_there_is_refused(bundle: Path) -> None:
    assert run("audit", "proof", "digits", 9, "--bundle", bundle).code == 1
    assert run("audit", "proof", 99, "--bundle", bundle).code == 1
    assert "which entry?" in run("audit", "proof", "--bundle", bundle).err


def test_a_registry_answers_as_its_bundle_does(plimsoll: Run, model: Path, tmp_path: Path) -> None:
    plimsoll("push", "digits", model)
    plimsoll("audit", "export", "--out", tmp_path / "bundle.tar")
    asked = ("audit", "query", "--model", "digits", "-o", "json")
    assert (
        plimsoll(*asked).document == plimsoll(*asked, "--bundle", tmp_path / "bundle.tar").document
    )
    assert plimsoll("audit", "proof", "digits", 1, "--out", tmp_path / "p").code == 0
    assert "proven: entry 1 of 2" in plimsoll("audit", "proof", "--check", tmp_path / "p").out
