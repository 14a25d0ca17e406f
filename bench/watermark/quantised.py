"""int8 as users get it: onnxruntime quantises the ONNX file, and its weights are read back."""

import logging
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime import quantization

from bench.watermark.tasks import Array

_CALIBRATED = 200  # inputs that a static quantisation looks at


class Way(StrEnum):
    """Which of onnxruntime's ways."""

    DYNAMIC = "int8, onnxruntime dynamic"
    CHANNELS = "int8, onnxruntime dynamic, per channel"
    STATIC = "int8, onnxruntime static QDQ, per channel"


def quantised(model: bytes, way: Way, inputs: Array) -> bytes:
    """The quantised file."""
    logging.getLogger().setLevel(logging.ERROR)  # it advises everybody to pre-process
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(model)
        match way:
            case Way.DYNAMIC:
                quantization.quantize_dynamic(source, target)
            case Way.CHANNELS:
                quantization.quantize_dynamic(source, target, per_channel=True)
            case Way.STATIC:
                reader = _Calibration(inputs[:_CALIBRATED])
                quantization.quantize_static(source, target, reader, per_channel=True)
        return target.read_bytes()


class _Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]  # it has no types
    def __init__(self, inputs: Array) -> None:
        self._given = iter([{"inputs": part} for part in np.array_split(inputs, 4)])

    def get_next(self) -> Any:
        return next(self._given, None)


def weights(model: bytes) -> dict[str, Array]:
    """The arrays of a file, as float32 where they are quantised."""
    graph = onnx.load_from_string(model).graph
    held = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    return dict(_read(held, {node.input[0]: node for node in graph.node if node.input}))


def _read(held: dict[str, Array], readers: dict[str, Any]) -> Iterator[tuple[str, Array]]:
    for name, values in held.items():
        base = name.removesuffix("_quantized")
        if base == name:
            if values.dtype == np.float32:
                yield name, values
            continue
        if f"{base}_scale" not in held:
            continue  # a bias, whose scale is that of a product
        scale, zero = held[f"{base}_scale"], held[f"{base}_zero_point"]
        axis = _axis(readers.get(name), scale, values)
        along = [-1 if n == axis else 1 for n in range(values.ndim)] if scale.size > 1 else []
        shifted = values.astype(np.float32) - zero.astype(np.float32).reshape(along or ())
        yield base, shifted * scale.reshape(along or ())


def _axis(reader: Any, scale: Array, values: Array) -> int:
    said = [one.i for one in reader.attribute if one.name == "axis"] if reader is not None else []
    if said and scale.size == values.shape[said[0]]:
        return int(said[0])
    return next((n for n, size in enumerate(values.shape) if size == scale.size), 0)
