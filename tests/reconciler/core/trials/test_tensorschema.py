"""What breaks clients of a signature, and what they need not notice."""

from typing import Any

import pytest

from reconciler.core.kinds.trials import TensorSchema
from reconciler.core.trials import tensorschema
from reconciler.core.trials.tensorschema import Compared
from registry import errors
from registry.core.tensors import Signature, Tensor

BEFORE = Signature(
    (Tensor("images", "float32", (None, 64)),), (Tensor("scores", "float32", (None, 10)),)
)
COMPATIBLE = TensorSchema()


def against_serving(inputs: list[Tensor], outputs: list[Tensor]) -> Compared:
    after = Signature(tuple(inputs), tuple(outputs))
    name = "serving_default"
    return tensorschema.compared(COMPATIBLE, {name: after}, serving={name: BEFORE})


def test_the_same_signature_is_compatible() -> None:
    assert against_serving([*BEFORE.inputs], [*BEFORE.outputs]) == Compared()


@pytest.mark.parametrize(
    ("inputs", "outputs", "why"),
    [
        (
            [Tensor("pixels", "float32", (None, 64))],
            None,
            (
                "input 'images' is gone, which clients of the serving version send "
                "(is it 'pixels' by another name?)"
            ),
        ),
        (
            [*BEFORE.inputs, Tensor("age", "int64", (None,))],
            None,
            "input 'age' is new, which clients of the serving version do not send",
        ),
        (
            [Tensor("images", "float64", (None, 64))],
            None,
            "input 'images' takes float64, and clients of the serving version send float32",
        ),
        (
            [Tensor("images", "float32", (1, 64))],
            None,
            (
                "input 'images' takes the shape [1, 64], and clients of the serving version send "
                "[*, 64]"
            ),
        ),
        (
            [Tensor("images", "float32", (None, 8, 8))],
            None,
            (
                "input 'images' takes the shape [*, 8, 8], and clients of the serving version send "
                "[*, 64]"
            ),
        ),
        (
            None,
            [Tensor("classes", "float32", (None, 10))],
            (
                "output 'scores' is gone, which clients of the serving version read "
                "(is it 'classes' by another name?)"
            ),
        ),
        (
            None,
            [Tensor("scores", "int64", (None, 10))],
            "output 'scores' is int64, and clients of the serving version read float32",
        ),
        (
            None,
            [Tensor("scores", "float32", (None, None))],
            "output 'scores' has the shape [*, *], and clients of the serving version read [*, 10]",
        ),
        (
            None,
            [*BEFORE.outputs, Tensor("label", "int64", (None,))],
            (
                "output 'label' is new where 'scores' was alone: :predict answers with names "
                "from now on, and clients of the serving version read bare values"
            ),
        ),
    ],
)
def test_what_breaks_clients_is_told_in_their_words(
    inputs: list[Tensor] | None, outputs: list[Tensor] | None, why: str
) -> None:
    found = against_serving(inputs or [*BEFORE.inputs], outputs or [*BEFORE.outputs])
    assert why in found.breaks


def test_an_input_may_become_wider_and_an_output_narrower() -> None:
    found = against_serving(
        [Tensor("images", "float32", None)], [Tensor("scores", "float32", (1, 10))]
    )
    assert found == Compared(
        (),
        (
            "input 'images' takes [any] instead of [*, 64]",
            "output 'scores' is [1, 10], within [*, 10]",
        ),
    )


def test_a_signature_that_clients_name_must_stay() -> None:
    serving = {"serving_default": BEFORE, "embed": BEFORE}
    found = tensorschema.compared(COMPATIBLE, {"serving_default": BEFORE}, serving=serving)
    assert found.breaks == ("signature 'embed' is gone: clients that name it fail",)
    assert tensorschema.compared(COMPATIBLE, serving, serving={"embed": BEFORE}) == Compared()


def test_where_nothing_serves_only_what_is_declared_counts() -> None:
    declared = {"inputs": [{"name": "images", "dtype": "float32", "shape": [None, 32]}]}
    spec = TensorSchema.model_validate(declared)
    found = tensorschema.compared(spec, {"serving_default": BEFORE}, serving=None)
    assert found.breaks == (
        "declared input 'images' takes the shape [*, 64], and clients send [*, 32]",
    )
    assert tensorschema.compared(COMPATIBLE, {"serving_default": BEFORE}, serving=None).breaks == ()


def test_a_schema_that_compares_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is compared with anything"):
        TensorSchema.model_validate({"servingVersion": "ignored"})


def metadata(**tensor: Any) -> dict[str, Any]:
    tensor = {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1"}, {"size": "64"}], "unknown_rank": False},
        **tensor,
    }
    sides = {"inputs": {"images": tensor}, "outputs": {}}
    return {"metadata": {"signature_def": {"signature_def": {"serving_default": sides}}}}


def test_the_runtimes_metadata_is_read_as_signatures() -> None:
    found = tensorschema.signatures(metadata())
    assert found == {"serving_default": Signature(BEFORE.inputs, ())}
    any_rank = tensorschema.signatures(metadata(tensor_shape={"unknown_rank": True}))
    assert any_rank["serving_default"].inputs[0].shape is None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"metadata": {"signature_def": []}},
        metadata(dtype=1),
        metadata(tensor_shape={"dim": [{"size": "many"}]}),
        metadata(tensor_shape={"dim": [3]}),
    ],
)
def test_metadata_that_is_none_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidInput, match="model metadata"):
        tensorschema.signatures(document)
