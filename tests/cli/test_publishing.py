"""`push`, `pull`, `model` and `alias` against a real registry."""

import hashlib
import json
from pathlib import Path

import pytest

from registry import errors
from registry.cli import uploading
from registry.cli.client import Client
from registry.settings import Settings
from registry.trust import keys
from tests.cli.conftest import Run
from tests.formats import onnx_models, safetensors_models


def test_a_pushed_model_can_be_shown_verified_and_pulled(
    plimsoll: Run, model: Path, tmp_path: Path
):
    pushed = plimsoll(
        "push", "digits", model, "--metric", "accuracy=0.98", "--commit", "abc123",
        "--description", "the first", "-o", "json",
    )  # fmt: skip
    assert pushed.code == 0, pushed.err
    document = pushed.document
    assert (document["version"], document["format"]) == (1, "onnx")
    assert document["signature"]["inputs"] == [
        {"name": "x", "dtype": "float32", "shape": [None, 4]}
    ]
    assert document["metadata"]["metrics"] == {"accuracy": 0.98}

    shown = plimsoll("model", "show", "digits@1")
    assert "x: float32[?, 4]" in shown.out
    assert document["digest"] in shown.out

    verified = plimsoll("model", "verify", "digits@1", "-o", "json")
    assert verified.code == 0, verified.err
    assert (verified.document["verdict"], verified.document["publisher"]) == ("verified", "alice")

    pulled = plimsoll("pull", "digits@1", tmp_path / "out" / "copy", "--digest", document["digest"])
    assert pulled.code == 0, pulled.err
    for path in model.iterdir():
        assert (tmp_path / "out" / "copy" / path.name).read_bytes() == path.read_bytes()
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["copy"]


def test_a_table_ends_with_name_version_and_digest(plimsoll: Run, model: Path):
    done = plimsoll("push", "digits", model, "--version", 7)
    name, version, digest = done.out.split()
    assert (name, version, digest[:7]) == ("digits", "7", "sha256:")


def test_a_single_file_is_a_model_too(plimsoll: Run, tmp_path: Path):
    path = tmp_path / "digits.onnx"
    path.write_bytes(onnx_models.files()["model.onnx"])
    done = plimsoll("push", "digits", path, "-o", "json")
    assert [file["path"] for file in done.document["files"]] == ["digits.onnx"]


def test_a_publisher_says_inputs_and_outputs_in_a_file(plimsoll: Run, tmp_path: Path):
    path, tensors = tmp_path / "model.safetensors", tmp_path / "tensors.json"
    path.write_bytes(safetensors_models.weights())
    said = {"inputs": [{"name": "x", "dtype": "float32", "shape": [None, 4]}], "outputs": []}
    tensors.write_text(json.dumps(said))
    done = plimsoll("push", "digits", path, "--tensors", tensors, "-o", "json")
    assert done.code == 0, done.err
    assert done.document["signature"] == said


def test_a_file_of_tensors_that_is_none_is_refused_before_anything_is_sent(
    plimsoll: Run, model: Path, tmp_path: Path
):
    tensors = tmp_path / "tensors.json"
    tensors.write_text("[]")
    done = plimsoll("push", "digits", model, "--tensors", tensors)
    assert (done.code, "tensors.json" in done.err) == (1, True)
    missing = plimsoll("push", "digits", model, "--tensors", tmp_path / "none.json")
    assert "none.json: cannot be read" in missing.err


def test_a_repeated_push_makes_no_second_version(plimsoll: Run, model: Path):
    first, second = plimsoll("push", "digits", model), plimsoll("push", "digits", model)
    assert second.out == first.out
    assert "published before, as version 1" in second.err
    numbered = plimsoll("push", "digits", model, "--version", 1)
    assert numbered.out == first.out


def test_files_that_are_partly_there_are_published_with_those_that_are_not(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(uploading, "_PART_FILES", 2)
    places = {}
    for number in range(7):
        places[f"{number}.bin"] = tmp_path / f"{number}.bin"
        places[f"{number}.bin"].write_bytes(b"the same" if number in {1, 4} else b"%d" % number)
    held = uploading.bring(client, dict(list(places.items())[:3]), lambda _: None)
    assert held.is_new
    told: list[int] = []
    brought = uploading.bring(client, places, told.append)
    assert brought.is_new
    assert [file.path for file in brought.files] == list(places)
    assert sum(told) == 2 * sum(place.stat().st_size for place in places.values())
    for file in brought.files:
        content = places[file.path].read_bytes()
        assert file.digest == "sha256:" + hashlib.sha256(content).hexdigest()
        assert client.call("GET", f"/v1/blobs/{file.digest}").content == content
    assert not uploading.bring(client, places, lambda _: None).is_new


def test_a_version_never_changes(plimsoll: Run, model: Path):
    plimsoll("push", "digits", model, "--version", 1)
    (model / "weights.bin").write_bytes(b"\x01" * 48)
    done = plimsoll("push", "digits", model, "--version", 1)
    assert done.code == 1
    assert "exists with other files" in done.err
    assert plimsoll("push", "digits", model).out.split()[1] == "2"


def test_a_push_that_broke_off_goes_on_where_it_stopped(plimsoll: Run, client: Client, model: Path):
    weights = b"w" * (3 * 1024 * 1024)
    big = onnx_models.external("weights.bin", length=len(weights))
    del big.dims[:]
    big.dims.extend([4, len(weights) // 16])
    graph = onnx_models.graph(weights=[big])
    (model / "model.onnx").write_bytes(onnx_models.model(graph).SerializeToString())
    (model / "weights.bin").write_bytes(weights)
    digest = "sha256:" + hashlib.sha256(weights).hexdigest()
    half = len(weights) // 2

    location = client.call("POST", "/v1/uploads").headers["Location"]
    headers = {"Content-Range": f"0-{half - 1}"}
    client.call("PATCH", location, weights[:half], headers=headers)
    memory = uploading._Memory(client.url, digest)
    memory.remember(location)

    assert uploading._resume(client, memory) == (location, half)
    assert plimsoll("push", "digits", model).code == 0
    assert memory.location() is None
    with pytest.raises(errors.NotFound):
        client.call("GET", location)


def test_an_upload_that_the_registry_forgot_is_begun_again(
    plimsoll: Run, client: Client, model: Path
):
    digest = "sha256:" + hashlib.sha256((model / "weights.bin").read_bytes()).hexdigest()
    uploading._Memory(client.url, digest).remember("/v1/uploads/" + "0" * 32)
    assert plimsoll("push", "digits", model).code == 0


@pytest.mark.parametrize(
    ("flaw", "code", "expected"),
    [
        ("truncated", 3, "truncated or damaged"),
        ("external_data_above", 3, "outside of the model"),
        ("operation_of_a_foreign_domain", 3, "is not allowed"),
    ],
)
def test_an_unsafe_model_is_refused_with_3_and_the_fix(
    plimsoll: Run, tmp_path: Path, flaw: str, code: int, expected: str
):
    folder = tmp_path / "flawed"
    folder.mkdir()
    for path, content in onnx_models.FLAWS[flaw][0]().items():
        (folder / path).write_bytes(content)
    done = plimsoll("push", "digits", folder)
    assert done.code == code
    assert expected in done.err
    assert "fix:" in done.err
    assert plimsoll("model", "list", "-o", "json").document == []


def test_a_symbolic_link_in_the_folder_is_refused_before_anything_is_sent(
    plimsoll: Run, model: Path
):
    (model / "secret").symlink_to("/etc/passwd")
    done = plimsoll("push", "digits", model)
    assert done.code == 1
    assert "a symbolic link" in done.err


def test_a_publisher_who_is_not_trusted_is_refused_with_5(
    plimsoll: Run, model: Path, tmp_path: Path
):
    keys.write(keys.generate_signing_key(), tmp_path / "mallory.pem")
    done = plimsoll("push", "digits", model, "--key", tmp_path / "mallory.pem")
    assert done.code == 5
    assert "unknown key" in done.err


def test_a_key_that_others_may_read_is_refused(plimsoll: Run, model: Path, key: Path):
    key.chmod(0o644)
    done = plimsoll("push", "digits", model)
    assert done.code == 1
    assert f"fix: chmod 600 {key}" in done.err


@pytest.mark.parametrize("metric", ["accuracy", "accuracy=", "accuracy=high", "accuracy=nan"])
def test_a_metric_that_is_no_number_is_named(plimsoll: Run, model: Path, metric: str):
    done = plimsoll("push", "digits", model, "--metric", metric)
    assert done.code == 1
    assert plimsoll("model", "list", "-o", "json").document == []


def test_a_byte_flipped_on_the_registrys_disk_is_found_with_5_and_nothing_is_left(
    plimsoll: Run, model: Path, tmp_path: Path, settings: Settings
):
    document = plimsoll("push", "digits", model, "-o", "json").document
    digest = next(f["digest"] for f in document["files"] if f["path"] == "weights.bin")
    stored = next((settings.data_dir / "blobs").rglob(digest.removeprefix("sha256:")))
    stored.chmod(0o600)
    flipped = bytearray(stored.read_bytes())
    flipped[7] ^= 1
    stored.write_bytes(flipped)

    pulled = plimsoll("pull", "digits@1", tmp_path / "out")
    assert pulled.code == 5
    assert "'weights.bin'" in pulled.err
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
    assert plimsoll("model", "verify", "digits@1").code == 5


def test_another_digest_than_the_pinned_one_is_refused_with_5(
    plimsoll: Run, model: Path, tmp_path: Path
):
    plimsoll("push", "digits", model)
    done = plimsoll("pull", "digits@1", tmp_path / "out", "--digest", "sha256:" + "0" * 64)
    assert done.code == 5
    assert "pinned is sha256:000" in done.err


def test_a_registry_with_another_key_is_not_believed(
    plimsoll: Run, model: Path, tmp_path: Path, settings: Settings
):
    plimsoll("push", "digits", model)
    trust = settings.trust_file.read_text()
    pem = keys.generate_signing_key().public_pem.replace("\n", "\\n")
    known = keys.load_signing_key(settings.data_dir / "keys" / "registry.pem").public_pem
    other = tmp_path / "other.json"
    other.write_text(trust.replace(known.replace("\n", "\\n"), pem))
    assert other.read_text() != trust
    done = plimsoll("pull", "digits@1", tmp_path / "out", "--trust", other)
    assert done.code == 5
    assert not (tmp_path / "out").exists()


def test_pulling_without_a_trust_root_is_refused(
    plimsoll: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("PLIMSOLL_TRUST")
    done = plimsoll("pull", "digits@1", tmp_path / "out")
    assert done.code == 1
    assert "without a trust root nothing can be verified" in done.err


def test_pulling_into_a_folder_that_is_in_use_touches_nothing(
    plimsoll: Run, model: Path, tmp_path: Path
):
    plimsoll("push", "digits", model)
    (tmp_path / "mine").write_text("mine")
    done = plimsoll("pull", "digits@1", tmp_path)
    assert done.code == 1
    assert (tmp_path / "mine").read_text() == "mine"


def test_an_alias_is_set_listed_used_and_removed(plimsoll: Run, model: Path):
    plimsoll("push", "digits", model)
    assert plimsoll("alias", "set", "digits", "champion", 1, "--reason", "best so far").code == 0
    assert plimsoll("alias", "list", "digits", "-o", "json").document == {"champion": 1}
    assert plimsoll("model", "verify", "digits:champion").code == 0
    assert "champion=1" in plimsoll("model", "list").out
    assert plimsoll("alias", "delete", "digits", "champion", "--reason", "retired").code == 0
    assert plimsoll("alias", "list", "digits", "-o", "json").document == {}


@pytest.mark.parametrize("reference", ["digits", "digits@0x1", "../x@1", "digits:v1", "@1"])
def test_a_reference_that_names_no_version_is_refused(
    plimsoll: Run, tmp_path: Path, reference: str
):
    assert plimsoll("pull", reference, tmp_path / "out").code == 1


def test_a_model_that_is_not_there_is_said_so(plimsoll: Run):
    done = plimsoll("model", "show", "nothing")
    assert done.code == 1
    assert "nothing" in done.err


def test_keys_and_tokens_are_made_for_new_people(plimsoll: Run, model: Path, tmp_path: Path):
    made = plimsoll("keys", "generate", "--out", tmp_path / "bob.pem", "--name", "bob")
    assert made.document["name"] == "bob"
    assert made.document["publicKey"] == keys.load_signing_key(tmp_path / "bob.pem").public_pem
    again = plimsoll("keys", "generate", "--out", tmp_path / "bob.pem", "--name", "bob")
    assert again.code == 1

    token = plimsoll("token", "create", "auditor", "carol")
    assert token.out.startswith("plm_")
    (tmp_path / "carol.token").write_text(token.out)
    done = plimsoll("push", "digits", model, "--token-file", tmp_path / "carol.token")
    assert done.code == 4
