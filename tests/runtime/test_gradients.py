"""Methods that need gradients, asked of a runtime: by PyTorch and by TensorFlow, and refused."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

DIGIT = models.digits()[0][0]
PICTURE, SCALE = DIGIT.reshape(1, 8, 8), 30


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    registry = StandIn()
    with registry.answering():
        published = [
            registry.publish(models.torch_convolutional(), model="net", format="torchscript"),
            registry.publish(models.saved_network(), model="saved", format="saved_model"),
            registry.publish(models.onnx_digits()),
        ]
        runtime = Runtime(tmp_path_factory.mktemp("gradients"), registry)
        runtime.models = [pin(one) for one in published]
        runtime.limits = {"deadlineSeconds": 60}
        with running(runtime):
            runtime.until(lambda: runtime.get("/readyz").status_code == 200)
            yield runtime


def explained(
    runtime: Runtime, instance: object, *, model: str = "net", **parameters: object
) -> dict[str, Any]:
    asked = {"method": "integrated_gradients", "budget_ms": 50_000} | parameters
    body = {"instances": [instance], "parameters": asked}
    response = runtime.post(f"/v1/models/{model}:explain", body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["explanations"][0]
    return found


def program() -> Any:
    import torch

    return torch.jit.load(io.BytesIO(models.torch_convolutional()["model.pt"])).eval()


def pictured() -> dict[str, Any]:
    return {"picture": PICTURE.tolist(), "scale": [SCALE]}


def test_integrated_gradients_are_the_integral_and_tell_what_they_miss(served: Runtime) -> None:
    import torch

    found = explained(served, pictured(), samples=128)
    shares = (torch.arange(2000.0) + 0.5) / 2000
    way = (torch.from_numpy(PICTURE)[None] * shares[:, None, None, None]).requires_grad_()
    scores = program()(way, torch.full((2000, 1), SCALE))["scores"]
    scores[:, found["target"]].sum().backward()
    expected = (way.grad.mean(0) * torch.from_numpy(PICTURE)).numpy()
    # The whole number that scales has no gradient, and is no feature.
    np.testing.assert_allclose(found["attributions"], expected, atol=1e-3)
    assert np.abs(expected).max() > 0.05
    assert found["completeness_gap"] == pytest.approx(
        found["score"] - found["base_value"] - np.sum(found["attributions"]), abs=1e-9
    )
    assert abs(found["completeness_gap"]) < 1e-3 < abs(found["score"] - found["base_value"])
    assert (found["finished"], found["samples"]) == (True, 2 + 8 + 128)


def test_smooth_gradients_are_the_mean_of_noisy_ones_and_repeat_by_seed(served: Runtime) -> None:
    import torch

    one, again, other = (
        explained(served, pictured(), method="smooth_grad", seed=seed, samples=400, noise=0.05)
        for seed in (1, 1, 2)
    )
    np.testing.assert_allclose(one["attributions"], again["attributions"], atol=1e-5)
    picture = torch.from_numpy(PICTURE)[None].repeat(4000, 1, 1, 1)
    torch.manual_seed(3)
    noisy = (picture + 0.05 * np.ptp(PICTURE) * torch.randn(picture.shape)).requires_grad_()
    program()(noisy, torch.full((4000, 1), SCALE))["scores"][:, one["target"]].sum().backward()
    expected, errors = noisy.grad.mean(0).numpy(), np.array(one["standard_errors"])
    off = (np.array(one["attributions"]) - expected) / errors
    assert np.sqrt(np.mean(off**2)) < 1.6  # both are drawn
    assert np.abs(np.array(other["attributions"]) - one["attributions"]).max() > errors.max() / 2
    assert (one["base_value"], one["completeness_gap"]) == (None, None)


def test_grad_cam_is_the_layers_maps_weighted_by_their_gradients(served: Runtime) -> None:
    import torch

    found = explained(served, pictured(), method="grad_cam")
    named = explained(served, pictured(), method="grad_cam", layer="features.4")
    assert found["attributions"] == named["attributions"]
    net, picture = models.torch_network(), torch.from_numpy(PICTURE)[None]
    maps = net.features[:5](picture).detach().requires_grad_()
    scores = net.head(net.features[5](maps).flatten(1)) * SCALE
    torch.softmax(scores, 1)[0, found["target"]].backward()
    coarse = torch.relu((maps.grad.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True))
    expected = torch.nn.functional.interpolate(coarse, (8, 8), mode="bilinear")[0].detach()
    np.testing.assert_allclose(found["attributions"], expected.numpy(), atol=1e-5)
    assert expected.max() > 1e-3
    body = {
        "instances": [pictured()],
        "parameters": {"method": "grad_cam", "layer": "nowhere", "budget_ms": 50_000},
    }
    refused = served.post("/v1/models/net:explain", body)
    assert refused.status_code == 400, refused.text
    assert "no layer 'nowhere': its layers are features.0" in refused.json()["error"]


def test_a_saved_models_integrated_gradients_are_what_its_answers_say(served: Runtime) -> None:
    """By differences of its own predictions, asked of the runtime along the way."""
    shares, step, scale = (np.arange(400) + 0.5) / 400, 0.002, 5
    picture = PICTURE.reshape(8, 8, 1)

    def score(pictures: np.ndarray) -> np.ndarray:
        rows = [{"picture": one.tolist(), "scale": [scale]} for one in pictures]
        found = served.post("/v1/models/saved:predict", {"instances": rows}).json()
        return np.array([one["scores"] for one in found["predictions"]])[:, target]

    instance = {"picture": picture.tolist(), "scale": [scale]}
    found = explained(served, instance, model="saved", samples=256)
    target = found["target"]
    brightest = np.unravel_index(picture.argmax(), picture.shape)
    nudge = np.zeros_like(picture)
    nudge[brightest] = step
    way = shares[:, None, None, None] * picture
    slopes = (score(way + nudge) - score(way - nudge)) / (2 * step)
    expected = slopes.mean() * picture[brightest]
    assert abs(expected) > 0.005
    assert np.array(found["attributions"])[brightest] == pytest.approx(expected, abs=2e-3)
    total = found["score"] - found["base_value"]
    assert abs(found["completeness_gap"]) < 0.01 * abs(total)
    assert score(picture[None])[0] == pytest.approx(found["score"], abs=1e-5)


def test_grad_cam_of_a_saved_model_names_its_layer_and_shows_pixels(served: Runtime) -> None:
    """Its last convolution, in a function inside a function, of the graph built once more."""
    instance = {"picture": PICTURE.reshape(8, 8, 1).tolist(), "scale": [1]}
    body = {
        "instances": [instance] * 2,
        "parameters": {"method": "grad_cam", "budget_ms": 50_000, "target": 3},
    }
    response = served.post("/v1/models/saved:explain", body)
    assert response.status_code == 200, response.text
    document = response.json()
    assert document["layer"] == "late"
    one, other = (np.array(each["attributions"]) for each in document["explanations"])
    assert one.shape == (8, 8, 1)
    assert one == pytest.approx(other)
    assert one.min() >= 0
    (scores,) = served.post("/v1/models/saved:predict", {"instances": [instance]}).json()[
        "predictions"
    ]
    assert document["explanations"][0]["score"] == pytest.approx(scores["scores"][3], abs=1e-6)
    other_class = explained(served, instance, model="saved", method="grad_cam", target=5)
    assert np.abs(one - other_class["attributions"]).max() > 1e-3


def test_onnx_says_which_methods_work(served: Runtime) -> None:
    body = {"instances": [DIGIT.tolist()], "parameters": {"method": "integrated_gradients"}}
    response = served.post("/v1/models/digits:explain", body)
    assert response.status_code == 501, response.text
    said = response.json()["error"]
    assert "is an ONNX file" in said
    assert "use kernel_shap, lime, occlusion, permutation or surrogate" in said
