"""What the Open Inference Protocol and Triton say about models, without running one."""

from collections.abc import Sequence
from importlib import metadata
from typing import Any

from runtime.protocols.open_inference_plan import Part, Plan
from runtime.table import Slot, State

EXTENSIONS = (
    "classification", "model_repository", "schedule_policy", "model_configuration",
    "binary_tensor_data", "parameters", "statistics",
)  # fmt: skip
# The protocol's own list has names of file formats; Triton's configuration has its backends'.
_PLATFORMS = {
    "onnx": "onnx_onnxv1",
    "saved_model": "tensorflow_savedmodel",
    "torchscript": "pytorch_torchscript",
    "ensemble": "ensemble",
}
_TRITON_PLATFORMS = {
    "onnx": ("onnxruntime_onnx", "onnxruntime", "model.onnx"),
    "saved_model": ("tensorflow_savedmodel", "tensorflow", "model.savedmodel"),
    "torchscript": ("pytorch_libtorch", "pytorch", "model.pt"),
    "ensemble": ("ensemble", "", ""),
}
_STATES = {State.AVAILABLE: "READY", State.LOADING: "LOADING"}


def server() -> dict[str, Any]:
    """GET /v2."""
    return {
        "name": "plimsoll",
        "version": _release(),
        "extensions": list(EXTENSIONS),
    }


def described(slot: Slot, plan: Plan, versions: Sequence[Slot]) -> dict[str, Any]:
    """GET /v2/models/M; `versions` are those of the same model that a client could name."""
    return {
        "name": plan.model,
        "versions": [str(one.pin.version) for one in versions],
        "platform": _PLATFORMS[slot.pin.format],
        "inputs": [_tensor(part) for part in plan.inputs.values()],
        "outputs": [_tensor(part) for part in plan.outputs.values()],
    }


def configuration(slot: Slot, plan: Plan) -> dict[str, Any]:
    """Triton's ModelConfig. Where requests are not batched `max_batch_size` is 0, and `dims` are
    the whole declared shapes; where they are, `dims` are without the batch."""
    platform, backend, file = _TRITON_PLATFORMS[slot.pin.format]
    tuning = slot.pin.tuning
    batching = tuning.batching
    is_batched = batching is not None
    found: dict[str, Any] = {
        "name": plan.model,
        "platform": platform,
        "backend": backend,
        "version_policy": {"specific": {"versions": [slot.pin.version]}},
        "max_batch_size": batching.max_batch_size if batching else 0,
        "input": [
            {**_configured(part, is_batched=is_batched), "format": "FORMAT_NONE"}
            for part in plan.inputs.values()
        ],
        "output": [
            {**_configured(part, is_batched=is_batched), "label_filename": ""}
            for part in plan.outputs.values()
        ],
        "instance_group": [
            {"name": plan.model, "kind": "KIND_CPU", "count": tuning.instances or 1}
        ],
        "default_model_filename": file,
        "parameters": {},
    }
    if batching is not None:
        found["dynamic_batching"] = {
            "preferred_batch_size": list(batching.preferred_sizes),
            "max_queue_delay_microseconds": batching.delay_microseconds,
        }
    if tuning.cache_bytes:
        found["response_cache"] = {"enable": True}
    return found


def indexed(slot: Slot) -> dict[str, str]:
    """One entry of POST /v2/repository/index."""
    return {
        "name": slot.pin.model,
        "version": str(slot.pin.version),
        "state": _STATES.get(slot.state, "UNAVAILABLE"),
        "reason": slot.reason,
    }


def _release() -> str:
    try:
        return metadata.version("plimsoll")
    except metadata.PackageNotFoundError:  # images hold the code, and not what installed it
        return "unreleased"


def _tensor(part: Part) -> dict[str, Any]:
    return {"name": part.tensor.name, "datatype": part.datatype, "shape": part.declared}


def _configured(part: Part, *, is_batched: bool) -> dict[str, Any]:
    kind = "STRING" if part.is_string else part.datatype
    dims = part.declared[1:] if is_batched else part.declared
    return {"name": part.tensor.name, "data_type": f"TYPE_{kind}", "dims": dims}
