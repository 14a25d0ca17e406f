"""Quantisation by onnxruntime: w_q = round(w / scale), with one scale or one for each channel."""

import logging
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onnxruntime import quantization
from onnxruntime.quantization import matmul_nbits_quantizer as four_bits
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from registry.core.canonical import Json
from registry.errors import Unsupported
from registry.making.optimising import layers
from registry.making.optimising.samples import Array, Samples

_METHODS = {
    "minMax": quantization.CalibrationMethod.MinMax,
    "entropy": quantization.CalibrationMethod.Entropy,
    "percentile": quantization.CalibrationMethod.Percentile,
}
_BATCH = 32


class _Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Samples in batches, once."""

    def __init__(self, given: Samples, batch: int) -> None:
        self._given = given.batches(batch)

    def get_next(self) -> dict[str, Array] | None:
        return next(self._given, None)


def prepared(source: Path, target: Path, mode: str) -> None:
    """The model as `mode` takes it: a product with a bias apart where only products are quantised,
    constants folded and shapes known where activations are."""
    model = layers.load(source)
    if mode in {"dynamic", "int4"}:
        wrapped = ONNXModel(model)
        wrapped.replace_gemm_with_matmul()
        _name(wrapped.model)
        layers.save(wrapped.model, target)
    elif mode == "static":
        quant_pre_process(source, target, skip_symbolic_shape=True)
    else:
        layers.save(model, target)


def candidates(source: Path, said: Mapping[str, Any]) -> list[str]:
    """The names of the layers that `said` would quantise in a prepared model."""
    kinds = said.get("operators")
    return [
        one.name
        for one in layers.weighted(layers.load(source))
        if not one.is_named(said["exclude"]) and (kinds is None or one.node.op_type in kinds)
    ]


def quantise(
    source: Path, target: Path, said: Mapping[str, Any], *,
    leave: Sequence[str] = (), only: Sequence[str] | None = None,
    calibration: tuple[Samples, int] | None = None,
) -> list[Json]:  # fmt: skip
    """Write the prepared model `source` quantised as `said` (the step, as JSON), but for the nodes
    in `leave` and those excluded, or `only` some; returns what to tell. Raises Unsupported."""
    logging.getLogger().setLevel(logging.ERROR)  # it advises everybody to pre-process
    excluded = [
        one.name for one in layers.weighted(layers.load(source)) if one.is_named(said["exclude"])
    ]
    leave = [*leave, *excluded]
    try:
        match said["mode"]:
            case "float16":
                return _halved(source, target, leave)
            case "int4":
                return _four_bits(source, target, said, leave)
            case mode:
                _eight_bits(source, target, mode, said, leave, only, calibration)
    except (ValueError, RuntimeError, KeyError, AttributeError, AssertionError) as error:
        raise Unsupported(f"onnxruntime cannot quantise it: {str(error)[:300]}") from error
    return []


def _eight_bits(  # noqa: PLR0913, PLR0917
    source: Path, target: Path, mode: str, said: Mapping[str, Any], leave: Sequence[str],
    only: Sequence[str] | None, calibration: tuple[Samples, int] | None,
) -> None:  # fmt: skip
    chosen: dict[str, Any] = {
        "per_channel": said["perChannel"],
        "nodes_to_exclude": list(leave),
        "nodes_to_quantize": None if only is None else list(only),
        "op_types_to_quantize": said.get("operators"),
    }
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(dir=target.parent) as folder:
        warnings.simplefilter("ignore")
        if mode == "dynamic":
            quantization.quantize_dynamic(source, target, **chosen)
            return
        if calibration is None:
            raise AssertionError  # a recipe without is refused when it is read
        given, batch = calibration
        # It widens the scales of weights whose biases would not fit into int32, and takes biases
        # to be one row: those that scikit-learn's networks have are a matrix of one.
        narrow = {"QDQDisableWeightAdjustForInt32Bias": _has_flat_biases(source)}
        quantization.quantize_static(
            source, target, _Calibration(given, batch),
            calibrate_method=_METHODS[said["calibration"]], extra_options=narrow,
            calibration_cache_path=Path(folder) / "ranges.json", **chosen,
        )  # fmt: skip


def _has_flat_biases(source: Path) -> bool:
    """Whether a layer's bias has two axes."""
    graph = layers.load(source).graph
    biases = {node.input[2] for node in graph.node
              if node.op_type in {"Gemm", "Conv"} and len(node.input) > 2}  # fmt: skip
    return any(one.name in biases and len(one.dims) > 1 for one in graph.initializer)


def calibrating(given: Samples, fixed: int | None) -> tuple[Samples, int]:
    """Samples, and how many at a time: only whole batches where the model takes a fixed number."""
    if fixed is None:
        return given, _BATCH
    whole = len(given) // fixed * fixed
    if not whole:
        raise Unsupported(
            f"{len(given)} samples to calibrate with, the model takes {fixed} at once"
        )
    return Samples({name: one[:whole] for name, one in given.inputs.items()}, None), fixed


def _halved(source: Path, target: Path, leave: Sequence[str]) -> list[Json]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights too small for a float16, which become 0
        model = convert_float_to_float16(
            layers.load(source), keep_io_types=True, node_block_list=list(leave)
        )
    layers.save(model, target)
    return ["processors without float16 arithmetic compute in float32: smaller, seldom faster"]


def _four_bits(
    source: Path, target: Path, said: Mapping[str, Any], leave: Sequence[str]
) -> list[Json]:
    kinds = tuple(said.get("operators") or ("MatMul",))
    made = four_bits.MatMulNBitsQuantizer(
        layers.load(source), bits=4, block_size=said["block"], is_symmetric=True,
        accuracy_level=4, nodes_to_exclude=list(leave), op_types_to_quantize=kinds,
    )  # fmt: skip
    made.process()
    model = made.model.model
    count = sum(one.op_type in {"MatMulNBits", "GatherBlockQuantized"} for one in model.graph.node)
    if not count:
        raise Unsupported(f"there is no layer of {', '.join(kinds)} with constant weights")
    layers.save(model, target)
    return [f"{count} layers have weights of 4 bits, a scale for each {said['block']}"]


def _name(model: Any) -> None:
    """What took a node apart left a part without a name."""
    taken = {node.name for node in model.graph.node}
    for number, node in enumerate(model.graph.node):
        if not node.name:
            node.name = f"{node.op_type}_{number}_part"
            while node.name in taken:
                node.name += "_"
            taken.add(node.name)
