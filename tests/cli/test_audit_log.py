"""`audit log`: entries found by who, where, what and when, and kept in a file that proves them."""

from pathlib import Path

from registry.api.server import Server
from registry.cli.client import Client
from registry.usecases import access, persons, reports
from registry.usecases.access import Caller, Role
from tests.cli.conftest import Run
from tests.cli.test_audit import fill, report
from tests.registry.conftest import ROOT


def test_the_log_is_listed_and_filtered(plimsoll: Run, client: Client):
    fill(client, 3)
    report(client, "deployed", 9, host="edge-2")
    found = plimsoll(
        "audit", "log", "--kind", "deployed", "--host", "edge-2", "-o", "json"
    ).document
    assert [entry["version"] for entry in found] == [9]
    assert len(plimsoll("audit", "log", "--last", "2").out.splitlines()) == 3
    assert plimsoll("audit", "log", "--kind", "nonsense").code == 1
    assert plimsoll("audit", "log", "--from", "yesterday").code == 1
    asked = (
        "--host",
        "edge-2",
        "--deployment",
        "production/digits",
        "--to",
        "2999-01-01T00:00:00Z",
    )
    assert plimsoll("audit", "log", *asked, "--last", "3", "-o", "json").document != []
    assert (
        plimsoll("audit", "log", *asked, "--from", "2999-01-01T00:00:00Z", "-o", "json").document
        == []
    )


def test_entries_that_were_found_are_kept_in_a_file_that_proves_them(
    plimsoll: Run, client: Client, tmp_path: Path
):
    fill(client, 5)
    report(client, "deployed", 9, host="edge-2")
    out = tmp_path / "found.tar"
    done = plimsoll("audit", "log", "--host", "edge-2", "--out", out)
    assert (done.code, done.out) == (
        0,
        f"{out}: check it with: plimsoll audit proof --check {out}\n",
    )
    proven = plimsoll("audit", "proof", "--check", out, "-o", "json").document
    assert {one["entry"]["host"] for one in proven} == {"edge-2"}
    said = plimsoll("audit", "proof", "--check", out)
    assert said.out.endswith(f"proven: {len(proven)} entries, signed by plimsoll.local/log\n")
    out.write_bytes(out.read_bytes().replace(b"entries/", b"entries\\"))
    assert plimsoll("audit", "proof", "--check", out).code == 5
    assert plimsoll("audit", "log", "--last", "1001", "--out", out).code == 1


def test_a_person_is_asked_for_by_name_by_an_auditor(
    plimsoll: Run, client: Client, server: Server, tmp_path: Path
):
    registry = server.app.state.registry
    who = persons.pseudonym_of(registry, "https://login.example.org", "00u1", "ada@example.org")
    event = reports.Event("by-ada", "deployed", model="digits")
    reports.record(registry, event, Caller(Role.ADMIN, who))
    asked = ("audit", "log", "--person", "ada@example.org", "-o", "json")
    token = tmp_path / "auditor.token"
    token.write_text(access.mint(registry, role=Role.AUDITOR, name="a-1", by=ROOT))
    (entry,) = plimsoll(*asked, "--token-file", token).document
    assert entry["actor"] == f"admin:{who}"
    token.write_text(access.mint(registry, role=Role.VIEWER, name="v-1", by=ROOT))
    assert plimsoll(*asked, "--token-file", token).code == 4
    persons.erase(registry, who, reason="asked for", by=ROOT)
    token.write_text(access.mint(registry, role=Role.AUDITOR, name="a-2", by=ROOT))
    assert plimsoll(*asked, "--token-file", token).code == 1
