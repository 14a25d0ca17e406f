"""Approving, quarantining, revoking and looking, from the command line."""

import json
from pathlib import Path

import pytest

from registry.api.server import Server
from registry.core import canonical
from registry.settings import Settings
from registry.trust import keys, sign
from registry.usecases import access, opening
from registry.usecases.access import Role
from tests.cli.conftest import Run
from tests.registry.conftest import ROOT


@pytest.fixture
def people(tmp_path: Path, settings: Settings) -> dict[str, Path]:
    """Key files: carol approves, lab tests, bob publishes as well."""
    found = {}
    for name in ("carol", "lab", "bob"):
        found[name] = tmp_path / f"{name}.pem"
        keys.write(keys.generate_signing_key(), found[name])
    public = {name: keys.load_signing_key(path).public_pem for name, path in found.items()}
    for role, name in (("approvers", "carol"), ("testers", "lab")):
        listed = {role: [{"name": name, "publicKey": public[name]}]}
        (settings.data_dir / f"{role}.json").write_text(json.dumps(listed))
    document = json.loads(settings.publishers_file.read_text())
    document["publishers"].append({"name": "bob", "publicKey": public["bob"]})
    settings.publishers_file.write_text(json.dumps(document))
    return found


@pytest.fixture
def plimsoll(people: dict[str, Path], plimsoll: Run, model: Path, server: Server) -> Run:
    """With digits@1 there, and the approver's token in a file beside the keys."""
    opened: opening.Registry = server.app.state.registry
    # The trust root that hosts get, with those in it who were listed meanwhile.
    opened.settings.trust_file.write_bytes(canonical.encode(opened.trust_root().document()))
    done = plimsoll("push", "digits", model)
    assert done.code == 0, done.err
    token = access.mint(opened, role=Role.APPROVER, name="carol-laptop", by=ROOT)
    (people["carol"].parent / "carol.token").write_text(token)
    return plimsoll


def as_carol(people: dict[str, Path]) -> tuple[object, ...]:
    folder = people["carol"].parent
    return ("--key", people["carol"], "--token-file", folder / "carol.token")


def test_an_approval_counts_until_it_is_revoked(plimsoll: Run, people: dict[str, Path]) -> None:
    me = as_carol(people)
    done = plimsoll("approve", "digits@1", "--reason", "the numbers hold", *me)
    assert done.code == 0, done.err
    word, name, by, *_ = done.out.split()
    assert (word, by) == ("approval", "by")
    verified = plimsoll("evidence", "verify", "digits@1", "-o", "json").document
    assert [one["signer"] for one in verified["evidence"]] == ["carol"]
    assert verified["evidence"][0]["detail"] == {"reason": "the numbers hold"}
    done = plimsoll("evidence", "revoke", "digits@1", name, "--reason", "they do not", *me)
    assert done.code == 0, done.err
    shown = plimsoll("evidence", "verify", "digits@1")
    assert "approval" not in shown.out
    assert "does not count: approval" in shown.err
    assert "they do not" in shown.err
    listed = plimsoll("evidence", "list", "digits@1").out
    assert "approval, revoked" in listed


def test_a_quarantined_version_is_refused_until_it_is_lifted(
    plimsoll: Run, people: dict[str, Path], tmp_path: Path
) -> None:
    done = plimsoll("quarantine", "digits@1", "--reason", "leaks data")  # alice's key
    assert done.code == 0, done.err
    for command in (
        ("pull", "digits@1", tmp_path / "out"),
        ("model", "verify", "digits@1"),
        ("evidence", "verify", "digits@1"),
        ("approve", "digits@1", "--reason", "x", *as_carol(people)),
    ):
        refused = plimsoll(*command)
        assert refused.code == 3, refused.err
        assert "quarantined by 'alice'" in refused.err
        assert "leaks data" in refused.err
    assert not (tmp_path / "out").exists()
    assert "quarantine" in plimsoll("evidence", "list", "digits@1").out
    name = done.out.split()[1]
    lifted = plimsoll("evidence", "revoke", "digits@1", name, "--reason", "it does not")
    assert lifted.code == 0, lifted.err
    assert plimsoll("model", "verify", "digits@1").code == 0


def test_a_second_publisher_signs_by_adding_a_model_signature(
    plimsoll: Run, people: dict[str, Path], model: Path, tmp_path: Path
) -> None:
    shown = plimsoll("model", "show", "digits@1", "-o", "json").document
    from registry.core.oms import File

    files = [File(one["path"], one["digest"], one["size"]) for one in shown["files"]]
    bundle = sign.sign_model("digits", files, keys.load_signing_key(people["bob"]))
    file = tmp_path / "model.sig"
    file.write_text(json.dumps(bundle))
    assert plimsoll("evidence", "add", "digits@1", file).code == 0
    verified = plimsoll("evidence", "verify", "digits@1", "-o", "json").document
    assert verified["signers"] == ["alice", "bob"]


def test_a_tester_signs_an_in_toto_test_result(
    plimsoll: Run, people: dict[str, Path], tmp_path: Path
) -> None:
    digest = plimsoll("model", "show", "digits@1", "-o", "json").document["digest"]
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "digits", "digest": {"sha256": digest[7:]}}],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {"result": "PASSED", "configuration": [], "passedTests": ["bias"]},
    }
    file = tmp_path / "result.json"
    file.write_text(json.dumps(statement))
    done = plimsoll("evidence", "sign", "digits@1", file, "--key", people["lab"])
    assert done.code == 0, done.err
    name = done.out.split()[1]
    assert "test-result passed" in plimsoll("evidence", "verify", "digits@1").out
    shown = plimsoll("evidence", "show", "digits@1", name).document
    assert shown["statement"] == statement


def test_who_is_no_approver_is_told_so(plimsoll: Run, people: dict[str, Path]) -> None:
    token = people["carol"].parent / "carol.token"
    done = plimsoll("approve", "digits@1", "--reason", "x", "--token-file", token)  # alice's key
    assert done.code == 5
    assert "unknown key" in done.err


def test_what_is_no_bundle_is_told_before_anything_is_sent(plimsoll: Run, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("not json")
    assert "not valid JSON" in plimsoll("evidence", "add", "digits@1", file).err
    assert "cannot be read" in plimsoll("evidence", "add", "digits@1", tmp_path / "none").err
