"""Evidence in an export: approved, signed once more, revoked and erased on a real registry."""

import json
from pathlib import Path

from registry.api.server import Server
from registry.cli.client import Client
from registry.core.oms import File
from registry.settings import Settings
from registry.trust import keys, sign
from tests.cli.conftest import Run
from tests.cli.test_evidence import as_carol, people, plimsoll

__all__ = ["people", "plimsoll"]


def deploy(client: Client, digest: str) -> None:
    event = {
        "id": "deployed-1", "kind": "deployed", "model": "digits", "version": 1, "digest": digest,
        "host": "edge-1", "deployment": "production/digits", "commit": "c" * 40,
    }  # fmt: skip
    client.call("POST", "/v1/events", json.dumps(event).encode())


def test_who_approved_what_served_is_answered_offline_from_true_evidence(
    plimsoll: Run,
    people: dict[str, Path],
    client: Client,
    tmp_path: Path,
    settings: Settings,
    server: Server,
) -> None:
    shown = plimsoll("model", "show", "digits@1", "-o", "json").document
    files = [File(one["path"], one["digest"], one["size"]) for one in shown["files"]]
    bundle = sign.sign_model("digits", files, keys.load_signing_key(people["bob"]))
    (tmp_path / "model.sig").write_text(json.dumps(bundle))
    assert plimsoll("evidence", "add", "digits@1", tmp_path / "model.sig").code == 0
    me = as_carol(people)
    assert plimsoll("approve", "digits@1", "--reason", "the numbers hold", *me).code == 0
    deploy(client, shown["digest"])
    out, trust = tmp_path / "bundle.tar", tmp_path / "trust.json"
    trust.write_bytes(settings.trust_file.read_bytes())
    done = plimsoll("audit", "export", "--out", out, "-o", "json")
    assert (done.code, done.document["flaws"], done.document["documents"]) == (0, [], 7)
    server.stop()
    offline = ("--bundle", out, "--trust", trust)
    [answer] = plimsoll("audit", "query", "--served", *offline, "-o", "json").document
    assert [one["signer"] for one in answer["approvals"]] == ["carol"]
    assert [(one["kind"], one["signer"]) for one in answer["evidence"]] == [("signature", "bob")]
    assert (
        plimsoll(
            "audit", "report", "production/digits", "--out", tmp_path / "r.html", *offline
        ).code
        == 0
    )
    assert "carol, 20" in (tmp_path / "r.html").read_text()


def test_a_revoked_approval_approves_nothing_from_there_on(
    plimsoll: Run,
    people: dict[str, Path],
    client: Client,
) -> None:
    me = as_carol(people)
    name = plimsoll("approve", "digits@1", "--reason", "the numbers hold", *me).out.split()[1]
    done = plimsoll("evidence", "revoke", "digits@1", name, "--reason", "they do not", *me)
    assert done.code == 0, done.err
    deploy(client, plimsoll("model", "show", "digits@1", "-o", "json").document["digest"])
    [answer] = plimsoll("audit", "query", "--served", "-o", "json").document
    assert answer["approvals"] == []
    assert [step["kind"] for step in answer["trail"]][-2:] == ["approved", "revoked"]


def test_an_erased_version_leaves_a_sound_bundle(
    plimsoll: Run,
    people: dict[str, Path],
    client: Client,
    tmp_path: Path,
) -> None:
    me = as_carol(people)
    assert plimsoll("approve", "digits@1", "--reason", "the numbers hold", *me).code == 0
    client.call("POST", "/v1/models/digits/versions/1/erase", b'{"reason": "asked to"}')
    done = plimsoll("audit", "export", "--out", tmp_path / "b.tar", "-o", "json")
    assert (done.code, done.document["documents"]) == (0, 1), done.err
    done = plimsoll("audit", "verify", tmp_path / "b.tar", "-o", "json")
    assert (done.document["verdict"], done.document["erased"]) == ("intact", 1)
