"""Pictures of classes: what speaks for a class stands where the model looks, and nowhere else."""

from itertools import count

import numpy as np
import pytest

from registry.core import explanation
from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput
from registry.making.explaining import arranged, pictures
from registry.making.explaining.arranged import Grid
from registry.making.explaining.asking import Asked
from tests.making.explaining.explained import Linear, digits, explained


def grid(*shape: int, picture: tuple[int, int] | None = None) -> Grid | None:
    return arranged.arranged({"x": np.zeros((2, *shape), np.float32)}, picture, []).grid


def test_a_picture_is_known_by_its_channels_or_because_somebody_says_so() -> None:
    found = [grid(8, 8, 1), grid(3, 28, 30), grid(64, picture=(8, 8)), grid(224, 224, 3)]
    assert [(one.rows, one.columns) for one in found if one] == [
        (8, 8), (14, 15), (8, 8), (16, 16),
    ]  # fmt: skip
    assert grid(64) is None
    assert grid(20, 12) is None
    with pytest.raises(InvalidInput, match="no input has pictures of 9 by 9 pixels"):
        grid(64, picture=(9, 9))


def test_channels_first_and_last_are_the_same_cells() -> None:
    first, last = grid(3, 8, 8), grid(8, 8, 3)
    assert first is not None
    assert last is not None
    pixels = np.random.default_rng(0).random((5, 8, 8, 3))
    moved = np.moveaxis(pixels, 3, 1)
    assert np.allclose(first.mean(moved), last.mean(pixels))
    assert np.allclose(last.mean(pixels)[:, 9], pixels[:, 1, 1].mean(axis=1))


def test_an_effect_is_the_weight_times_the_distance_from_the_mean_picture() -> None:
    weights = np.zeros((65, 2))
    weights[10, 1], weights[20, 1], weights[30, 0] = 3.0, -2.0, 1.0
    signature = Signature(
        (Tensor("images", "float32", (None, 8, 8, 1)),), (Tensor("scores", "float32", (None, 2)),)
    )
    model = Linear(weights, signature=signature)
    rows = np.random.default_rng(1).random((12, 8, 8, 1)).astype(np.float32)
    classes = np.array([0, 1] * 6)
    known = arranged.arranged({"images": rows}, None, []).grid
    assert known is not None
    found, is_whole = pictures.pictures(
        Asked(model, "scores"), known, {"images": rows}, classes, 0, lambda: False
    )
    assert is_whole
    assert found is not None
    apart = (rows - rows.mean(axis=0)).reshape(12, 64)[classes == 1].mean(axis=0)
    assert found.classes[1].effect == pytest.approx(tuple(weights[:64, 1] * apart), abs=1e-3)
    assert np.flatnonzero(np.abs(found.classes[0].effect) > 1e-5).tolist() == [30]
    bright = rows.reshape(12, 64)
    wanted = (bright[classes == 0].mean(axis=0) - bright.min()) / (bright.max() - bright.min())
    assert found.classes[0].mean == pytest.approx(tuple(wanted), abs=1e-3)


def test_classes_take_turns_so_that_each_has_a_picture_when_the_time_is_over() -> None:
    model, given = digits(100)
    known = arranged.arranged(dict(given.inputs), None, []).grid
    assert known is not None
    assert given.labels is not None
    calls = count()
    found, is_whole = pictures.pictures(
        Asked(model, "scores"), known, given.inputs, given.labels, 0, lambda: next(calls) > 60
    )
    assert not is_whole
    assert found is not None
    counts = {one.samples for one in found.classes}
    assert len(found.classes) == 10
    assert max(counts) - min(counts) <= 1


def test_the_document_is_read_back_as_it_was_and_refused_beyond_its_bounds() -> None:
    said = explained(*digits(60))
    document = explanation.predicate(said)
    assert explanation.parse(document) == said
    assert "pictures" not in explanation.without_pictures(said)
    drawn = document["pictures"]
    assert isinstance(drawn, dict)
    for broken in (
        document | {"method": "tea leaves"},
        document | {"unit": "bell \x07"},
        document | {"finished": "yes"},
        document | {"features": {"count": 1, "first": []}},
        document | {"pictures": drawn | {"rows": 9}},
        document | {"pictures": drawn | {"rows": 10**9}},
        document | {"samples": -1},
    ):
        with pytest.raises(InvalidInput):
            explanation.parse(broken)
