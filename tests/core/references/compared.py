"""One classifier of digits, explained by captum, shap and lime, and by us: prints both as JSON.

Run with the folder of the references on the path: see test_references.py.
"""

import json
import warnings
from typing import Any

import numpy as np
import onnxruntime

from registry.core.explaining import lime
from registry.core.explaining.kernel_shap import KernelShap
from registry.core.explaining.lime import Lime
from registry.core.explaining.occlusion import Occlusion
from tests.core.explained import driven
from tests.runtime import models

DIGIT, LABEL = models.digits()[0][0], int(models.digits()[1][0])
# Six features, the picture in stripes: captum goes through all 720 orders of them.
ROWS = np.arange(64) // 11
SAMPLES = 4096


def main() -> None:
    session = onnxruntime.InferenceSession(models.onnx_digits()["model.onnx"])

    def score(pixels: np.ndarray) -> np.ndarray:
        given = np.asarray(pixels, np.float32)
        probabilities = session.run(["probabilities"], {"X": given})[0]
        return np.asarray(probabilities[:, LABEL], np.float64)

    def of_rows(present: np.ndarray) -> np.ndarray:
        return score(np.where(np.asarray(present)[:, ROWS] > 0.5, DIGIT, 0))

    found = {
        "exact": exact(of_rows),
        "sampled": sampled(score),
        "lime": fitted(of_rows),
        "occlusion": ablated(score),
    }
    print(json.dumps(found))


def exact(of_rows: Any) -> dict[str, list[float]]:
    """Shapley values of six features: shap's two ways to have them exactly, and captum's."""
    import captum.attr
    import shap
    import torch

    one, none = np.ones((1, 6)), np.zeros((1, 6))
    kernel = shap.KernelExplainer(of_rows, none)
    exactly = shap.explainers.Exact(of_rows, shap.maskers.Independent(none))

    def forward(present: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(of_rows(present.numpy()))

    values = captum.attr.ShapleyValues(forward).attribute(torch.ones(1, 6), torch.zeros(1, 6))
    return {
        "ours": listed(driven(KernelShap(6, 62, random()), of_rows, one[0], none).values),
        "shap KernelExplainer": listed(kernel.shap_values(one, nsamples=64, l1_reg=False,
                                                          silent=True)),
        "shap Exact": listed(exactly(one).values),
        "captum ShapleyValues": listed(values.numpy()),
    }  # fmt: skip


def sampled(score: Any) -> dict[str, list[float]]:
    """64 features, which nobody enumerates."""
    import shap

    ours = driven(KernelShap(64, SAMPLES, random()), score, DIGIT, np.zeros((1, 64)))
    kernel = shap.KernelExplainer(score, np.zeros((1, 64)), seed=1)
    theirs = kernel.shap_values(DIGIT[None], nsamples=SAMPLES, l1_reg=False, silent=True)
    return {"ours": listed(ours.values), "errors": listed(ours.errors), "shap": listed(theirs)}


def fitted(of_rows: Any) -> dict[str, list[float]]:
    """The very same rows, as the authors' library fits them."""
    from lime.lime_base import LimeBase

    method = Lime(6, 1000, random())
    ours = driven(method, of_rows, np.ones(6), np.zeros((1, 6)))
    rows = method._rows[1:]
    distances = 1 - np.sqrt(rows.sum(axis=1) / 6)
    theirs = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / lime.WIDTH**2)))
    _, local, r2, _ = theirs.explain_instance_with_data(
        rows.astype(float), of_rows(rows)[:, None], distances, 0, 6, feature_selection="none"
    )
    values = [value for _, value in sorted(local)]
    return {"ours": [*listed(ours.values), ours.fidelity], "lime": [*listed(values), float(r2)]}


def ablated(score: Any) -> dict[str, list[float]]:
    import captum.attr
    import torch

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(score(pixels.numpy()))

    theirs = captum.attr.FeatureAblation(forward).attribute(torch.from_numpy(DIGIT[None]))
    ours = driven(Occlusion(64), score, DIGIT, np.zeros((1, 64)))
    return {"ours": listed(ours.values), "captum": listed(theirs.numpy())}


def random() -> np.random.Generator:
    return np.random.default_rng(5)


def listed(values: Any) -> list[float]:
    return [float(one) for one in np.asarray(values).reshape(-1)]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
