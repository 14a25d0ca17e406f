"""One classifier of digits, explained by captum, shap and lime, and by us: prints both as JSON.

Run with the folder of the references on the path: see test_references.py.
"""

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from registry.core.explaining import lime
from registry.core.explaining.grad_cam import GradCam
from registry.core.explaining.gradients import GradientMethod, Joint
from registry.core.explaining.integrated_gradients import IntegratedGradients
from registry.core.explaining.kernel_shap import KernelShap
from registry.core.explaining.lime import Lime
from registry.core.explaining.occlusion import Occlusion
from registry.core.explaining.smooth_grad import SmoothGrad
from registry.core.explaining.terms import Attribution
from runtime.backends import gradient_calls
from runtime.backends.protocol import DEFAULT_CALL, Settings
from runtime.backends.torch_gradients import TorchGradients
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
        "gradients": derived(),
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


def derived() -> dict[str, dict[str, list[float]]]:
    """One network as a TorchScript program by us, and as PyTorch's own module by captum."""
    import captum.attr
    import torch

    net, scale = models.torch_network(), torch.tensor([[30]])
    picture = torch.from_numpy(DIGIT.reshape(1, 1, 8, 8))
    target = int(net(picture, scale)["scores"].argmax())

    def forward(pictures: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = net(pictures, scale.expand(len(pictures), 1))["scores"]
        return found

    with tempfile.TemporaryDirectory() as folder:
        for name, content in models.torch_convolutional().items():
            Path(folder, name).write_bytes(content)
        ours = _ours(TorchGradients(Path(folder), Settings()), target)
    integrated = captum.attr.IntegratedGradients(forward).attribute(
        picture, target=target, n_steps=50, method="gausslegendre"
    )
    noisy = captum.attr.NoiseTunnel(captum.attr.Saliency(forward))
    torch.manual_seed(5)
    smooth = noisy.attribute(picture, nt_type="smoothgrad", nt_samples=1500, target=target,
                             stdevs=0.05 * float(DIGIT.max() - DIGIT.min()),
                             nt_samples_batch_size=500, abs=False)  # fmt: skip
    cam = captum.attr.LayerGradCam(forward, net.features[4])
    coarse = cam.attribute(picture, target=target, relu_attributions=True)
    fine = captum.attr.LayerAttribution.interpolate(coarse, (8, 8), "bilinear")
    return ours | {
        "captum integrated_gradients": listed(integrated.detach()),
        "captum smooth_grad": listed(smooth.detach()),
        "captum grad_cam": listed(fine.detach()),
    }


def _ours(backend: TorchGradients, target: int) -> dict[str, Any]:
    named, joint = gradient_calls.name(DEFAULT_CALL, "scores"), Joint(np.arange(64), 64)

    def inputs(points: np.ndarray) -> dict[str, np.ndarray]:
        rows = len(points)
        return {"picture": points.reshape(rows, 1, 8, 8).astype(np.float32),
                "scale": np.full((rows, 1), 30), "target": np.full(rows, target)}  # fmt: skip

    def asked(method: GradientMethod) -> Attribution:
        while (points := method.wanted(500)) is not None:
            found = backend.run(named, inputs(points))
            gradients = found[gradient_calls.GRADIENT + "picture"].reshape(len(points), 64)
            method.told(found["score"], gradients)
        explained = method.found()
        assert explained is not None
        return explained

    smooth = asked(SmoothGrad(DIGIT, np.full(64, 0.05 * np.ptp(DIGIT)), joint, 1500, random()))
    layer = {"layer": np.array([b"features.4"], object)}
    found = backend.run(gradient_calls.of_maps(DEFAULT_CALL, "scores"), inputs(DIGIT[None]) | layer)
    cam = GradCam(8, 8)
    cam.told(float(found["score"][0]), found["maps"][0], found["slopes"][0])
    located = cam.found()
    assert located is not None
    integrated = asked(IntegratedGradients(DIGIT, np.zeros((1, 64)), joint, 50))
    return {"integrated_gradients": listed(integrated.values), "smooth_grad": listed(smooth.values),
            "errors": listed(smooth.errors), "grad_cam": listed(located.values)}  # fmt: skip


def random() -> np.random.Generator:
    return np.random.default_rng(5)


def listed(values: Any) -> list[float]:
    return [float(one) for one in np.asarray(values).reshape(-1)]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
