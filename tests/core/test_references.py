"""Our attributions beside those of captum, shap and lime, of the same classifier of digits."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".build" / "references"


@functools.cache
def seen() -> dict[str, Any]:
    """What `references/compared.py` prints, in a process that has the libraries."""
    if not (HOME / ".ready").exists():
        subprocess.run(["make", "--silent", "references"], cwd=ROOT, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.references.compared"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{HOME}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("peer", ["shap KernelExplainer", "shap Exact", "captum ShapleyValues"])
def test_exact_shapley_values_are_everybodys(peer: str) -> None:
    found = seen()["exact"]
    np.testing.assert_allclose(found["ours"], found[peer], atol=1e-6)
    assert max(found["ours"]) > 0.05


def test_sampled_shapley_values_are_shaps_within_both_their_errors() -> None:
    found = {name: np.array(one) for name, one in seen()["sampled"].items()}
    assert np.corrcoef(found["ours"], found["shap"])[0, 1] > 0.95
    off = (found["ours"] - found["shap"]) / found["errors"]
    assert np.sqrt(np.mean(off**2)) < 3  # theirs have an error as well
    assert found["ours"].sum() == pytest.approx(found["shap"].sum(), abs=1e-6)


def test_the_line_through_the_same_rows_is_limes() -> None:
    found = seen()["lime"]
    assert found["ours"] == pytest.approx(found["lime"], abs=1e-9)


def test_occlusion_is_captums_ablation() -> None:
    found = seen()["occlusion"]
    assert found["ours"] == pytest.approx(found["captum"], abs=1e-6)


def test_integrated_gradients_are_captums() -> None:
    found = seen()["gradients"]
    expected = found["captum integrated_gradients"]
    assert found["integrated_gradients"] == pytest.approx(expected, abs=1e-6)
    assert max(expected) > 0.05


def test_smooth_gradients_are_captums_within_both_their_errors() -> None:
    found = {name: np.array(one) for name, one in seen()["gradients"].items()}
    off = (found["smooth_grad"] - found["captum smooth_grad"]) / found["errors"]
    assert 1.0 < np.sqrt(np.mean(off**2)) < 2.0  # of two draws of one size it is the root of 2
    assert found["smooth_grad"].std() > 5 * found["errors"].mean()


def test_grad_cam_is_captums() -> None:
    found = seen()["gradients"]
    expected = found["captum grad_cam"]
    assert found["grad_cam"] == pytest.approx(expected, abs=1e-6)
    assert max(expected) > 1e-3
