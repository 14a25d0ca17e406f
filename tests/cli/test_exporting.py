"""`plimsoll export` and `plimsoll convert`, up to the published version and its edge."""

from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run

TRAIN = """
import numpy as np
from sklearn.linear_model import LogisticRegression

def model():
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    return LogisticRegression().fit(x, (x.sum(axis=1) > 0).astype(int)), x[:8]
"""


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train_export_test.py").write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_function_s_model_is_exported_published_and_converted_with_its_edge(
    plimsoll: Run, trainer: Path, key: Path, monkeypatch: pytest.MonkeyPatch
):
    done = plimsoll(
        "export", "train_export_test:model", trainer / "out", "--publish", "risk", "--key", key,
        "-o", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.document["holds"]
    assert done.document["parity"]["golden"]["samples"] == 8
    assert done.document["published"]["version"] == 1
    assert done.document["published"]["format"] == "onnx"

    example = trainer / "some.npy"
    np.save(example, np.ones((3, 4), np.float32))
    trust = trainer / "registry" / "trust.json"
    done = plimsoll(
        "convert", "risk@1", "savedmodel", trainer / "tf", "--publish", "risk-tf", "--key", key,
        "--trust", trust, "--example", example, "-o", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.document["route"] == ["onnx", "saved_model"]
    assert done.document["parity"]["golden"]["samples"] == 3
    edges = plimsoll("model", "lineage", "risk-tf@1", "-o", "json").document["edges"]
    assert [(one["relation"], one["parent"]) for one in edges] == [("converted", "risk@1")]


def test_a_pickle_is_refused_with_what_to_do_before_anything_starts(plimsoll: Run, tmp_path: Path):
    (tmp_path / "model.pkl").write_bytes(b"cos\nabort\n(tR.")
    done = plimsoll("export", tmp_path / "model.pkl", tmp_path / "out")
    assert done.code == 3
    assert "is a Python pickle: loading it runs what is in it" in done.err
    assert "--trust-pickle" in done.err
    assert not [one for one in tmp_path.iterdir() if "out" in one.name]


def test_what_the_registry_would_refuse_is_not_converted_either(plimsoll: Run, tmp_path: Path):
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07not a model")
    done = plimsoll("convert", tmp_path / "model.onnx", "saved_model", tmp_path / "out")
    assert done.code == 3, done.err
    assert not (tmp_path / "out").exists()


def test_a_name_that_leads_nowhere_is_said_with_an_example(plimsoll: Run, tmp_path: Path):
    done = plimsoll("export", "nowhere_at_all:model", tmp_path / "out")
    assert done.code == 1
    assert "train:model" in done.err
