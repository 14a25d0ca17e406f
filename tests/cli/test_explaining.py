"""`plimsoll model explain`: a verified version asked by a child, and evidence on its page."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from registry.cli.client import Client
from registry.settings import Settings
from registry.trust import keys
from tests.cli.conftest import Done, Run
from tests.making.optimising import networks


@pytest.fixture
def published(plimsoll: Run, settings: Settings, tmp_path: Path) -> Path:
    """small@1, a network of 16 numbers, with samples beside it; lab is a tester."""
    keys.write(keys.generate_signing_key(), tmp_path / "lab.pem")
    listed = {
        "name": "lab",
        "publicKey": keys.load_signing_key(tmp_path / "lab.pem").public_pem,
    }
    settings.testers_file.write_text(json.dumps({"testers": [listed]}))
    networks.model(tmp_path / "model.onnx")
    networks.samples(tmp_path / "golden.npz", 80, of=tmp_path / "model.onnx")
    done = plimsoll("push", "small", tmp_path / "model.onnx")
    assert done.code == 0, done.err
    return tmp_path


def test_what_a_version_answers_by_is_measured_signed_and_filed(
    plimsoll: Run, published: Path, client: Client
) -> None:
    names = [f"column {number}" for number in range(16)]
    (published / "names.txt").write_text("\n".join(names))
    done = plimsoll(
        "model", "explain", "small@1", "--inputs", published / "golden.npz", "--label", "label",
        "--picture", "4x4", "--key", published / "lab.pem", "-o", "json",
        "--names", published / "names.txt",
    )  # fmt: skip
    assert done.code == 0, done.err
    said = done.document
    assert {one["name"] for one in said["features"]["first"]} == set(names)
    assert (said["samples"], said["finished"]) == (80, True)
    assert [one["class"] for one in said["pictures"]["classes"]] == [0, 1, 2, 3]
    assert said["evidence"]["signer"] == "lab"
    (published / "trust.json").write_bytes(client.trust())  # as it is now, with lab in it
    checked = plimsoll(
        "evidence", "verify", "small@1", "-o", "json", "--trust", published / "trust.json"
    )
    verified = checked.document
    [counts] = verified["evidence"]
    assert (counts["kind"], counts["detail"]["features"]) == ("explanation", said["features"])
    assert counts["id"] == said["evidence"]["id"]
    assert client.version("small", 1)["digest"] == verified["digest"]


def test_without_a_key_it_only_looks(plimsoll: Run, published: Path) -> None:
    done = plimsoll(
        "model", "explain", "small@1", "--inputs", published / "golden.npz", "--method",
        "kernel_shap",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "MEAN SIZE OF THE SHAPLEY VALUE" in done.out
    assert "the first 10 of 16 features" in done.err
    assert plimsoll("evidence", "list", "small@1", "-o", "json").document == []


def test_samples_that_do_not_fit_are_refused_by_name(plimsoll: Run, published: Path) -> None:
    np.savez(published / "other.npz", y=np.zeros((3, 16), np.float32))
    done = plimsoll("model", "explain", "small@1", "--inputs", published / "other.npz")
    assert done.code != 0
    assert "there is no array 'x', which the model has an input for" in done.err
    wrong = plimsoll(
        "model", "explain", "small@1", "--inputs", published / "golden.npz", "--picture", "round"
    )
    assert "is not HEIGHTxWIDTH" in wrong.err


def pushed(plimsoll: Run, published: Path, *more: object, data: str = "golden.npz") -> Done:
    """The network with another bias, signed and measured by alice."""
    model = published / "other.onnx"
    proto = onnx.load(published / "model.onnx")
    biases = np.ones(networks.HIDDEN, np.float32)
    proto.graph.initializer[2].CopyFrom(onnx.numpy_helper.from_array(biases, "b1"))
    onnx.save_model(proto, model)
    key = published / "publisher.pem"
    return plimsoll("push", "small", model, "--key", key, "--explain", published / data, *more)


def test_publishing_measures_signs_and_files_it_too_and_finishes_what_failed(
    plimsoll: Run, published: Path, client: Client
) -> None:
    np.savez(published / "wrong.npz", y=np.zeros((3, 16), np.float32))
    failed = pushed(plimsoll, published, data="wrong.npz")
    assert failed.code != 0
    assert "small@2 is published; measuring what it answers by" in failed.err
    assert "there is no array 'x', which the model has an input for" in failed.err
    how = ("--explain-with", "label=label", "--explain-with", "picture=4x4", "-o", "json")
    done = pushed(plimsoll, published, *how)
    assert done.code == 0, done.err
    assert "published before, as version 2" in done.err
    assert (done.document["version"], done.document["evidence"]["signer"]) == (2, "alice")
    [filed] = plimsoll("evidence", "list", "small@2", "-o", "json").document
    assert (filed["kind"], filed["id"]) == ("explanation", done.document["evidence"]["id"])
    verified = plimsoll("evidence", "verify", "small@2", "-o", "json").document
    assert verified["digest"] == client.version("small", 2)["digest"]
    [counts] = verified["evidence"]
    assert (counts["detail"]["samples"], counts["detail"]["features"]["count"]) == (80, 16)
    assert counts["detail"]["unit"] == "rise of the error rate"


def test_what_cannot_be_measured_publishes_nothing(plimsoll: Run, published: Path) -> None:
    for wrong, said in (
        (("--explain-with", "labels=label"), "--explain-with 'labels=label' says nothing"),
        (("--explain-with", "method=lime"), "one of permutation, kernel_shap"),
        (("--explain-with", "budget=0"), "a number from 1 to 86400"),
        (("--explain-with", "picture=round"), "is not HEIGHTxWIDTH"),
        (("--explain", "nowhere.npz"), "nowhere.npz: cannot be read"),
        (("--key", "nowhere.pem"), "nowhere.pem"),
    ):
        done = pushed(plimsoll, published, *wrong)
        assert done.code != 0
        assert said in done.err
    model = published / "other.onnx"
    done = plimsoll("push", "small", model, "--explain-with", "label=label")
    assert "name the samples with --explain" in done.err
    assert len(plimsoll("model", "show", "small", "-o", "json").document["versions"]) == 1
