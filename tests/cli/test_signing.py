"""`sign` and `verify` over a folder, `push --signature`, and the stock command both ways."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from registry.core import canonical, trustroot
from registry.core.certificates import Identity, authority
from registry.settings import Settings
from registry.trust import keys
from tests.cli.conftest import Run, run
from tests.trust import authorities, stock
from tests.trust.authorities import Holder, Wish


@pytest.fixture
def public(key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "publisher.pub"
    path.write_text(keys.load_signing_key(key).public_pem)
    return path


@pytest.fixture
def lab() -> Holder:
    return authorities.root(replace(authorities.AUTHORITY, days_before=3650, days_after=36500))


@pytest.fixture
def leaf(lab: Holder, tmp_path: Path) -> Holder:
    """Alice's certificate, in chain.pem, and her key, in leaf.pem."""
    found = authorities.issue(Wish(days_before=3650, days_after=36500), lab)
    (tmp_path / "chain.pem").write_text(found.pem)
    (tmp_path / "lab.pem").write_text(lab.pem)
    private = tmp_path / "leaf.pem"
    private.touch(0o600)
    private.write_bytes(
        found.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


def test_a_signed_folder_is_verified_by_us_and_by_the_stock_command(
    model: Path, key: Path, public: Path
) -> None:
    done = run("sign", model, "--key", key)
    assert (done.code, done.out.strip()) == (0, str(model / "model.sig")), done.err
    ours = run("verify", model, "--public-key", public, "-o", "json")
    assert ours.code == 0, ours.err
    assert (ours.document["verdict"], ours.document["signer"]) == ("verified", "publisher.pub")
    theirs = stock.command(
        "verify", "key", model, "--signature", model / "model.sig", "--public_key", public
    )
    assert theirs.returncode == 0, theirs.said


def test_what_the_stock_command_signed_is_verified(model: Path, key: Path, public: Path) -> None:
    done = stock.command(
        "sign", "key", model, "--signature", model / "model.sig", "--private_key", key
    )
    assert done.returncode == 0, done.said
    assert run("verify", model, "--public-key", public).code == 0


def test_a_folder_signed_by_certificate_is_verified_by_us_and_by_the_stock_command(
    model: Path, tmp_path: Path, leaf: Holder, lab: Holder
) -> None:
    signed = run(
        "sign", model, "--key", tmp_path / "leaf.pem", "--certificate-chain", tmp_path / "chain.pem"
    )
    assert signed.code == 0, signed.err
    done = stock.command(
        "verify", "certificate", model, "--signature", model / "model.sig",
        "--certificate_chain", tmp_path / "lab.pem",
    )  # fmt: skip
    assert done.returncode == 0, done.said


def test_by_a_trust_root_a_certificate_counts_under_the_name_of_its_list(
    plimsoll: Run, model: Path, tmp_path: Path, settings: Settings, leaf: Holder, lab: Holder
) -> None:
    run(
        "sign", model, "--key", tmp_path / "leaf.pem", "--certificate-chain", tmp_path / "chain.pem"
    )
    named = authority("lab", lab.pem, (Identity("email", "alice@example.org", "alice"),))
    trust = replace(trustroot.parse(settings.trust_file.read_bytes()), authorities=(named,))
    (tmp_path / "trust.json").write_bytes(canonical.encode(trust.document()))
    done = plimsoll("verify", model, "--trust", tmp_path / "trust.json", "-o", "json")
    assert done.code == 0, done.err
    assert done.document["signer"] == "alice"
    refused = plimsoll("verify", model, "--trust", settings.trust_file)
    assert refused.code == 5
    assert "the trust root names no authority" in refused.err


def test_a_laboratory_signs_offline_and_somebody_else_publishes(
    plimsoll: Run, model: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature = tmp_path / "from-the-lab.sig"
    assert run("sign", model, "--key", key, "--signature", signature).code == 0
    monkeypatch.delenv("PLIMSOLL_KEY")
    pushed = plimsoll("push", "digits", model, "--signature", signature, "-o", "json")
    assert pushed.code == 0, pushed.err
    assert pushed.document["publisher"] == "alice"
    assert plimsoll("model", "verify", "digits@1").code == 0


def test_a_signature_in_the_folder_does_not_become_a_file_of_the_version(
    plimsoll: Run, model: Path, key: Path
) -> None:
    run("sign", model, "--key", key)
    pushed = plimsoll("push", "digits", model, "--signature", model / "model.sig", "-o", "json")
    assert pushed.code == 0, pushed.err
    assert "model.sig" not in [file["path"] for file in pushed.document["files"]]


def test_a_signature_over_other_files_is_not_published(
    plimsoll: Run, model: Path, key: Path
) -> None:
    run("sign", model, "--key", key)
    (model / "added.txt").write_text("later")
    pushed = plimsoll("push", "digits", model, "--signature", model / "model.sig")
    assert pushed.code == 5
    assert "'added.txt' is not covered by the signature" in pushed.err


def test_without_key_and_signature_nothing_is_pushed(
    plimsoll: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLIMSOLL_KEY")
    done = plimsoll("push", "digits", model)
    assert done.code == 1
    assert "--key, or a ready signature with --signature" in done.err


def test_one_changed_byte_is_named(model: Path, key: Path, public: Path) -> None:
    run("sign", model, "--key", key)
    changed = next(path for path in sorted(model.iterdir()) if path.name != "model.sig")
    changed.write_bytes(changed.read_bytes() + b"!")
    done = run("verify", model, "--public-key", public)
    assert done.code == 5
    assert f"file {changed.name!r} is not the one that was signed" in done.err


def test_a_file_under_dot_git_is_not_ignored(model: Path, key: Path, public: Path) -> None:
    """`model_signing verify` lets it pass."""
    run("sign", model, "--key", key)
    (model / ".git").mkdir()
    (model / ".git" / "hook").write_text("payload")
    assert "hook" in run("verify", model, "--public-key", public).err


def test_a_lone_file_is_not_signed(model: Path, key: Path) -> None:
    done = run("sign", model / "model.onnx", "--key", key)
    assert done.code == 1
    assert "put a model of one file into a folder" in done.err


def test_a_chain_of_another_key_is_refused(
    model: Path, key: Path, tmp_path: Path, leaf: Holder
) -> None:
    done = run("sign", model, "--key", key, "--certificate-chain", tmp_path / "chain.pem")
    assert "is not that of the signing key" in done.err


def test_a_chain_that_is_none_is_refused(model: Path, key: Path) -> None:
    done = run("sign", model, "--key", key, "--certificate-chain", model / "model.onnx")
    assert "no certificates can be read" in done.err


def test_a_folder_without_signature_is_told_how_to_get_one(model: Path, public: Path) -> None:
    done = run("verify", model, "--public-key", public)
    assert "plimsoll sign FOLDER --key KEY" in done.err


def test_a_signature_that_is_no_json_is_named(model: Path, public: Path) -> None:
    (model / "model.sig").write_text("{")
    assert "model.sig is not valid JSON" in run("verify", model, "--public-key", public).err


def test_the_signature_holds_nothing_but_what_the_specification_knows(
    model: Path, key: Path
) -> None:
    run("sign", model, "--key", key)
    bundle = json.loads((model / "model.sig").read_text())
    assert bundle.keys() == {"mediaType", "verificationMaterial", "dsseEnvelope"}
