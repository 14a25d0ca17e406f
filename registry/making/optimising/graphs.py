"""Graph optimisation and operator fusion, by onnxruntime, written out as a file again."""

from pathlib import Path

import onnxruntime

from registry.core.canonical import Json
from registry.errors import Unsupported
from registry.making.optimising import layers


def optimise(source: Path, target: Path, *, level: str) -> list[Json]:
    """Write what onnxruntime makes of the graph; returns what there is to tell.

    The level above `extended` lays tensors out for the processor at hand, so its files would run
    well on this machine alone. `extended` uses onnxruntime's own operations.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = {
        "basic": levels.ORT_ENABLE_BASIC, "extended": levels.ORT_ENABLE_EXTENDED,
    }[level]  # fmt: skip
    options.optimized_model_filepath = str(target)
    try:
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Unsupported(f"onnxruntime cannot load it: {str(error)[:300]}") from error
    before, after = (len(layers.load(one).graph.node) for one in (source, target))
    return [f"{before} operations became {after}"]
