"""`plimsoll model explain`: a verified version asked by a child, and evidence on its page."""

import json
from pathlib import Path

import numpy as np
import pytest

from registry.cli.client import Client
from registry.settings import Settings
from registry.trust import keys
from tests.cli.conftest import Run
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
