"""ONNX out of a SavedModel, by tf2onnx, and out of TorchScript, by PyTorch's older exporter."""

import logging
from pathlib import Path
from typing import Any

from registry.core.tensors import Signature
from registry.making.exporting import examples, forms, running
from registry.making.exporting.forms import Form
from registry.making.refusals import NotConvertible

# Of 2022; every engine of the last years takes it.
OPSET = 18
_BATCH = "batch"


def from_saved_model(source: Path, folder: Path) -> None:
    """The signature `serving_default`, under its own names."""
    import tensorflow as tf  # noqa: PLC0415  heavy

    convert = running.library("tf2onnx.convert", "export")
    loaded: Any = running.opened(Form.SAVED_MODEL, source)
    signature: Signature = loaded.signature
    specs = [tf.TensorSpec(one.shape, one.dtype, name=one.name) for one in signature.inputs]
    names = [one.name for one in signature.inputs]

    def serve(*given: Any) -> dict[str, Any]:
        found: dict[str, Any] = loaded.function(**dict(zip(names, given, strict=True)))
        return found

    level = logging.root.level
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    try:
        model, _ = convert.from_function(tf.function(serve), input_signature=specs, opset=OPSET)
    except Exception as error:
        raise NotConvertible(
            f"the SavedModel cannot be written as ONNX: {_line(error)}",
            fix="leave out the operation that is named, or serve it as a SavedModel",
        ) from error
    finally:
        logging.root.setLevel(level)
    _require_standard(model)
    _name_batch(model, signature)
    (folder / forms.HEADS[Form.ONNX]).write_bytes(model.SerializeToString())


def from_torchscript(source: Path, folder: Path) -> None:
    """Traced with made-up inputs as its tensors.json has them."""
    from registry.making.exporting import torch_model  # noqa: PLC0415  heavy

    loaded: Any = running.opened(Form.TORCHSCRIPT, source)
    signature: Signature = loaded.signature
    made = torch_model.of(
        loaded.program,
        examples.seeded(signature, None),
        batched=all(one.shape and one.shape[0] is None for one in signature.inputs),
    )
    made.named([one.name for one in signature.outputs])
    made.write(Form.ONNX, folder)


def _require_standard(model: Any) -> None:
    """What tf2onnx does not know it leaves as it was, and no engine of ONNX can run that."""
    strange = {node.op_type for node in model.graph.node if node.domain not in {"", "ai.onnx.ml"}}
    if strange:
        raise NotConvertible(
            f"ONNX has nothing for {', '.join(sorted(strange)[:5])}",
            fix="do that before the model is asked, or serve it as a SavedModel",
        )


def _name_batch(model: Any, signature: Signature) -> None:
    """A free first axis is called that, and not unk__7."""
    free = all(one.shape and one.shape[0] is None for one in signature.inputs)
    for one in (*model.graph.input, *model.graph.output):
        sizes = one.type.tensor_type.shape.dim
        if free and len(sizes) and not sizes[0].HasField("dim_value"):
            sizes[0].dim_param = _BATCH


def _line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return (said[0] if said else type(error).__name__)[:300]
