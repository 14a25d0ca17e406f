"""A version with steps is published when they fit its model, and refused with the reason else."""

from dataclasses import replace

import pytest

from registry import errors
from registry.core import canonical, envelope
from registry.usecases import publish, pull
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

EDGE = Caller(Role.HOST, "edge-1")
STEPS = {
    "version": 1,
    "inputs": [{"name": "x", "dtype": "float32", "shape": [None, 4]}],
    "after": [
        {"kind": "argmax", "input": "y", "output": "best"},
        {"kind": "labels", "input": "best", "output": "label"},
    ],
    "outputs": ["label"],
}


def files(**changes: object) -> dict[str, bytes]:
    return {
        "model.onnx": onnx_model(),
        "labels.txt": b"a\nb\nc\nd\n",
        "plimsoll_steps.json": canonical.encode(STEPS | changes),
    }


def test_what_clients_send_and_get_reaches_the_host_signed(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, files())
    published = publish.publish(registry, alice.draft(files()), ALICE)
    sent = pull.bundle(registry, pull.Asked("digits", 1), EDGE)
    wanted = envelope.Wanted("digits", 1, published.version.digest)
    found = envelope.verify(sent, registry.trust_root(), wanted)
    assert isinstance(found, envelope.Verified)
    assert isinstance(found.scan["facts"], dict)
    assert found.scan["facts"]["steps"] == {
        "inputs": STEPS["inputs"],
        "outputs": [{"name": "label", "dtype": "string", "shape": [None]}],
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outputs": ["nothing"]}, "outputs takes 'nothing', which nothing before it gives"),
        ({"before": [{"kind": "python"}]}, "kind 'python' is not known"),
        ({"inputs": [{"name": "x", "dtype": "int64", "shape": [None]}]}, "wants 'x' as float32"),
    ],
)
def test_steps_that_do_not_fit_are_refused_at_publication(
    registry: Registry, alice: Publisher, changes: dict[str, object], said: str
) -> None:
    store(registry, files(**changes))
    with pytest.raises(errors.InvalidInput, match=said):
        publish.publish(registry, alice.draft(files(**changes)), ALICE)


def test_steps_without_their_file_are_refused_at_publication(
    registry: Registry, alice: Publisher
) -> None:
    without = {name: data for name, data in files().items() if name != "labels.txt"}
    store(registry, without)
    with pytest.raises(errors.InvalidInput, match=r"names 'labels.txt', which is no file"):
        publish.publish(registry, alice.draft(without), ALICE)


def chained(**changes: object) -> dict[str, bytes]:
    tensor = {"dtype": "float32", "shape": [None, 4]}
    digest = "sha256:" + "a" * 64
    step = {"model": "m", "version": 1, "digest": digest, "inputMap": {"x": "in"},
            "outputMap": {"y": "out"}}  # fmt: skip
    whole = {
        "version": 1,
        "inputs": [tensor | {"name": "in"}],
        "outputs": [tensor | {"name": "out"}],
        "steps": [step],
    }
    return {"plimsoll_ensemble.json": canonical.encode(whole | changes)}


def test_an_ensemble_is_published_by_the_tensors_that_it_declares(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, chained())
    draft = replace(alice.draft(chained()), format="ensemble")
    found = publish.publish(registry, draft, ALICE).version.variants[0]
    assert found.signature["outputs"] == [{"name": "out", "dtype": "float32", "shape": [None, 4]}]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (chained(steps=[]), "0 steps, must be 1 to 64"),
        (chained(outputs=[{"name": "o", "dtype": "int8", "shape": []}]), "'o' is given by no step"),
        ({"plimsoll_ensemble.json": b"{"}, "not valid JSON"),
        (chained() | {"model.onnx": onnx_model()}, "model.onnx"),
        (chained() | {"plimsoll_steps.json": b"{}"}, "an ensemble has no steps of its own"),
    ],
)
def test_an_ensemble_that_cannot_run_is_refused_at_publication(
    registry: Registry, alice: Publisher, wrong: dict[str, bytes], said: str
) -> None:
    store(registry, wrong)
    draft = replace(alice.draft(wrong), format="ensemble")
    with pytest.raises((errors.UnsafeModel, errors.InvalidInput), match=said):
        publish.publish(registry, draft, ALICE)
