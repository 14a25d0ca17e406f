"""`plimsoll trust`: from a plain file to a signed one, and from version to version."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from registry.core import canonical, dsse, note, trustchain
from registry.core.trustroot import TrustRoot
from registry.trust import keys
from tests.cli.conftest import Done, run
from tests.trust import authorities


def made(folder: Path, name: str) -> Path:
    """A key's private half, with what `keys generate` printed of it beside."""
    done = run("keys", "generate", "--out", folder / f"{name}.pem", "--name", name)
    (folder / f"{name}.pub").write_text(done.out)
    return folder / f"{name}.pem"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A plain trust.json that trusts alice, and keys of ada, ben, cleo and bob."""
    for name in ("alice", "registry", "ada", "ben", "cleo", "bob"):
        made(tmp_path, name)
    alice, registry = (
        dsse.signer(name, keys.load_signing_key(tmp_path / f"{name}.pem").public_pem)
        for name in ("alice", "registry")
    )
    plain = TrustRoot((alice,), registry, note.LogKey("plimsoll.test/log", bytes(32)))
    (tmp_path / "trust.json").write_bytes(canonical.encode(plain.document()))
    return tmp_path


def trust(here: Path, command: str, *arguments: object) -> Done:
    return run("trust", command, *arguments)


def begun(here: Path, expires: str = "2099-01-01T00:00:00Z") -> Path:
    """Version 1, signed by ada and ben."""
    draft = here / "draft.json"
    done = trust(
        here, "init", here / "trust.json", "--out", draft, "--threshold", 2,
        "--root", f"ada={here / 'ada.pub'}", "--root", f"ben={here / 'ben.pub'}",
        "--expires", expires,
    )  # fmt: skip
    assert done.code == 0, done.err
    return signed(here, draft, "ada", "ben")


def signed(here: Path, draft: Path, *names: str) -> Path:
    for name in names:
        done = trust(here, "sign", draft, "--key", here / f"{name}.pem")
        assert done.code == 0, done.err
    return draft


def rotated(here: Path, draft: Path) -> None:
    done = trust(here, "rotate", here / "trust.json", draft)
    assert done.code == 0, done.err


def test_a_plain_root_becomes_a_signed_one(here: Path) -> None:
    rotated(here, begun(here))
    assert trust(here, "verify", here / "trust.json").out == "version 1 holds\n"
    shown = trust(here, "show", here / "trust.json").out
    assert "2099-01-01T00:00:00Z" in shown
    assert [line for line in shown.splitlines() if "root (2 needed)" in line] != []


def test_too_few_signatures_change_nothing(here: Path) -> None:
    before = (here / "trust.json").read_bytes()
    draft = begun(here)
    lacking = json.loads(draft.read_text())
    lacking["signatures"].pop()
    draft.write_text(json.dumps(lacking))
    done = trust(here, "rotate", here / "trust.json", draft)
    assert (done.code, (here / "trust.json").read_bytes()) == (5, before)
    assert "needs 2 signatures by its own keys, and has 1: ada" in done.err


def test_a_publisher_is_added_and_a_root_key_replaced_by_the_next_version(here: Path) -> None:
    rotated(here, begun(here))
    (here / "before.json").write_bytes((here / "trust.json").read_bytes())
    draft = here / "next.json"
    assert trust(here, "next", here / "trust.json", "--out", draft).code == 0
    assert trust(here, "add", draft, "publisher", "bob", here / "bob.pub").code == 0
    assert trust(here, "add", draft, "root", "cleo", here / "cleo.pub").code == 0
    assert trust(here, "end", draft, "root", "ada").code == 0
    signed(here, draft, "ben", "cleo")
    refused = trust(here, "rotate", here / "trust.json", draft)
    assert "needs 2 signatures by the keys of version 1, and has 1: ben" in refused.err
    rotated(here, signed(here, draft, "ada"))
    done = trust(here, "verify", here / "trust.json", "--after", here / "before.json")
    assert done.out == "version 2 holds\n"
    shown = trust(here, "show", here / "trust.json", "-o", "json").document
    assert [one["name"] for one in shown["publishers"]] == ["alice", "bob"]
    assert [one["name"] for one in shown["root"]["keys"]] == ["ben", "cleo"]


def test_a_changed_draft_has_lost_its_signatures(here: Path) -> None:
    draft = begun(here)
    assert trust(here, "add", draft, "approver", "bob", here / "bob.pub").code == 0
    assert json.loads(draft.read_text())["signatures"] == []


def test_somebodys_keys_end_at_an_entry_of_the_log(here: Path) -> None:
    draft = begun(here)
    asked = trust(here, "end", draft, "publisher", "alice")
    assert "say it with --entry" in asked.err
    assert trust(here, "end", draft, "publisher", "alice", "--entry", 40).code == 0
    listed = trust(here, "show", draft, "-o", "json").document["publishers"]
    assert [(one["name"], one["until"]) for one in listed] == [("alice", 40)]
    again = trust(here, "end", draft, "publisher", "alice", "--entry", 41)
    assert "lists no publisher 'alice' whose keys still count" in again.err


def test_an_authority_may_vouch_for_those_who_are_named(here: Path) -> None:
    draft, lab = begun(here), authorities.root()
    (here / "lab.pem").write_text(lab.pem)
    done = trust(
        here, "authority", draft, "lab", here / "lab.pem",
        "--identity", "email:ada@example.org=ada", "--identity", "uri:spiffe://x/ci=ci",
    )  # fmt: skip
    assert done.code == 0, done.err
    shown = trust(here, "show", draft).out
    assert "ci (lab, uri spiffe://x/ci)" in shown
    broken = trust(here, "authority", draft, "lab", here / "lab.pem", "--identity", "ada")
    assert "'ada' is not an identity" in broken.err


def test_a_witness_is_listed_with_how_many_are_needed(here: Path) -> None:
    draft, public = begun(here), base64.b64encode(bytes(range(32))).decode()
    assert trust(here, "witness", draft, "site/harbour", public, "--needed", 1).code == 0
    assert trust(here, "witness", draft, "site/harbour", public, "--needed", 1).code == 0
    shown = trust(here, "show", draft).out
    assert shown.count("witness (1 needed)") == 1
    too_many = trust(here, "witness", draft, "site/harbour", public, "--needed", 2)
    assert "asks for 2 witnesses and names 1" in too_many.err
    short = trust(here, "witness", draft, "site/harbour", "AAAA", "--needed", 1)
    assert "not 32 bytes of Ed25519" in short.err


def test_the_registrys_own_key_is_replaced_from_an_entry_of_the_log_on(here: Path) -> None:
    draft = begun(here)
    assert trust(here, "registry", draft, here / "bob.pub", "--entry", 9).code == 0
    found = trustchain.link(json.loads(draft.read_text())).trust
    old, new = (keys.load_signing_key(here / name).hint for name in ("registry.pem", "bob.pem"))
    assert [key.hint for key in found.registry_at(8)] == [old]
    assert [key.hint for key in found.registry_at(9)] == [new]


def test_an_older_root_after_a_newer_one_is_told(here: Path) -> None:
    rotated(here, begun(here))
    (here / "old.json").write_bytes((here / "trust.json").read_bytes())
    draft = here / "next.json"
    trust(here, "next", here / "trust.json", "--out", draft)
    rotated(here, signed(here, draft, "ada", "ben"))
    done = trust(here, "verify", here / "old.json", "--after", here / "trust.json")
    assert done.code == 5
    assert "older than version 2" in done.err


def test_an_expired_root_is_told(here: Path) -> None:
    rotated(here, begun(here, "2026-01-01T00:00:00Z"))
    done = trust(here, "verify", here / "trust.json")
    assert done.code == 5
    assert "expired at 2026-01-01T00:00:00Z" in done.err
    assert "plimsoll trust next" in done.err


def test_a_plain_root_is_shown_and_has_nothing_to_follow(here: Path) -> None:
    assert "unsigned" in trust(here, "show", here / "trust.json").out
    assert "believed as it is" in trust(here, "verify", here / "trust.json").out
    done = trust(here, "next", here / "trust.json", "--out", here / "next.json")
    assert "plimsoll trust init" in done.err


def test_a_signed_root_is_not_begun_again(here: Path) -> None:
    rotated(here, begun(here))
    done = trust(
        here, "init", here / "trust.json", "--out", here / "x", "--threshold", 1,
        "--root", f"ada={here / 'ada.pub'}",
    )  # fmt: skip
    assert "signed already, as version 1" in done.err


def test_the_holder_of_a_root_key_cannot_use_it_for_anything_else(here: Path) -> None:
    draft = begun(here)
    done = trust(here, "add", draft, "publisher", "ada", here / "ada.pub")
    assert "root key 'ada' is also the key of 'ada'" in done.err


def test_a_file_that_is_not_there_is_named(here: Path) -> None:
    done = trust(here, "show", here / "nothing.json")
    assert "nothing.json cannot be read: No such file" in done.err


def test_the_chain_can_be_checked_from_its_very_first_version(here: Path) -> None:
    rotated(here, begun(here))
    links = trustchain.parse((here / "trust.json").read_bytes())
    assert trustchain.signed_by(links[0], links[0].root.keys) == ("ada", "ben")
    assert replace(links[0], signatures=()).trust == links[0].trust
