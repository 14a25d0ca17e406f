"""Grad-CAM's two equations, and its map stretched as everybody stretches one."""

import numpy as np
import pytest

from registry.core.explaining import grad_cam
from registry.core.explaining.grad_cam import GradCam


def test_maps_are_weighted_by_the_mean_of_their_gradients_and_cut_at_nothing() -> None:
    maps = np.array([[[1.0, 2.0]], [[3.0, 1.0]]])
    gradients = np.array([[[1.0, 3.0]], [[-1.0, -0.5]]])
    found = grad_cam.located(maps, gradients)
    assert found.tolist() == [[max(2 - 0.75 * 3, 0), 4 - 0.75]]


def test_a_map_is_stretched_as_pytorch_does_it() -> None:
    import torch

    found = np.random.default_rng(2).random((3, 5))
    for size in [(8, 8), (3, 5), (224, 7), (2, 2)]:
        given = torch.from_numpy(found)[None, None]
        expected = torch.nn.functional.interpolate(given, size, mode="bilinear")[0, 0].numpy()
        assert grad_cam.stretched(found, *size) == pytest.approx(expected, abs=1e-12)


def test_there_is_an_answer_once_it_is_told() -> None:
    method = GradCam(4, 6)
    assert method.found() is None
    method.told(0.5, np.ones((2, 2, 3)), np.ones((2, 2, 3)))
    found = method.found()
    assert found is not None
    assert (found.score, found.values.tolist()) == (0.5, [2.0] * 24)
    assert np.isnan(found.gap)
