"""Estimators of scikit-learn become ONNX, and from there SavedModel and LiteRT."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from registry.making import exporting
from registry.making.refusals import NotConvertible, ParityFailed
from tests.formats import inspecting
from tests.making.exporting import models

ESTIMATORS = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(12, random_state=0),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=9, random_state=0),
    "ridge": lambda: make_pipeline(MinMaxScaler(), Ridge()),
}


@pytest.mark.parametrize("to", ["onnx", "saved_model", "tflite"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_answers_as_before(name: str, to: str, tmp_path: Path) -> None:
    fitted = ESTIMATORS[name]().fit(models.SAMPLES, models.LABELS)
    report = exporting.export(fitted, tmp_path / "out", to=to, example=models.SAMPLES[:20])
    assert report.holds
    assert [one.name for one in report.signature.inputs] == ["features"]
    if "label" in report.golden:
        assert report.golden["label"].argmax == 1.0
        assert report.golden["probabilities"].holds
    if to != "tflite":
        places = inspecting.files_of(tmp_path / "out" / "model")
        assert inspecting.inspect(places).format == to


def test_three_classes_named_by_words_keep_their_words(tmp_path: Path) -> None:
    kinds = models.LABELS + (models.SAMPLES[:, 0] > 1)
    words = [("small", "middle", "large")[kind] for kind in kinds]
    fitted: Any = LogisticRegression().fit(models.SAMPLES, words)
    report = exporting.export(fitted, tmp_path / "out", to="onnx", example=models.SAMPLES)
    assert report.signature.outputs[0].dtype == "string"
    assert report.golden["label"].argmax == 1.0


def test_an_answer_that_float32_cannot_give_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    """A mean of a million and a spread of a hundredth: float32 has no room for both."""
    times = (1e6 + np.random.default_rng(0).normal(0, 0.01, size=(50, 1))).astype(np.float64)
    fitted = StandardScaler().fit(times)
    with pytest.raises(ParityFailed, match=r"on golden inputs; allowed are"):
        exporting.export(fitted, tmp_path / "out", to="onnx", example=times)
    assert not list(tmp_path.iterdir())


def test_an_object_of_no_framework_is_refused_by_its_class(tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match=r"of builtins[.]dict"):
        exporting.export({}, tmp_path / "out", to="onnx")
