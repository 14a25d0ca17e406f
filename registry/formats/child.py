"""The inspecting process: what a child of the `zygote` does once it is shut in.

The model comes as open file descriptors, in the order of the request's `opened`. A JSON request
in, a JSON answer out: {"signature", "detail"}, or {"weights"} where those were asked for, or
{"floats", "quantised"} of a suspect in ONNX, or {"refused": {"code", "detail", "fix"}}.
"""

from collections.abc import Callable, Mapping
from math import prod

from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.core.tensors import Signature
from registry.formats import (
    confine,
    content,
    detect,
    ensemble,
    onnx_model,
    onnx_suspect,
    onnx_weights,
    safetensors,
    safetensors_weights,
    saved_model,
    saved_model_weights,
    side_files,
    torchscript,
    torchscript_weights,
)
from registry.formats.model import Found, Model, Opened
from registry.formats.refusal import unsafe
from registry.formats.weights import WeightMap

MAX_TENSORS = 1000
MAX_NAME = 512
MAX_ELEMENTS = 1 << 31
INSPECTION, WEIGHTS, SUSPECT = "inspection", "weights", "suspect"
_PARSERS: Mapping[str, Callable[[Model], Found]] = {
    detect.ONNX: onnx_model.inspect,
    detect.SAVED_MODEL: saved_model.inspect,
    detect.SAFETENSORS: safetensors.inspect,
    detect.TORCHSCRIPT: torchscript.inspect,
    detect.ENSEMBLE: ensemble.inspect,
}
_FINDERS: Mapping[str, Callable[[Model], WeightMap]] = {
    detect.ONNX: onnx_weights.find,
    detect.SAVED_MODEL: saved_model_weights.find,
    detect.SAFETENSORS: safetensors_weights.find,
    detect.TORCHSCRIPT: torchscript_weights.find,
    detect.ENSEMBLE: ensemble.find,
}


def answer(request: bytes, descriptors: range, walls: list[str]) -> bytes:
    """See above. What is not a refusal leaves as an exception and ends the process."""
    document = canonical.decode_object(request, what="inspection request")
    try:
        return _said(_asked(document, descriptors, walls), document)
    except errors.PlimsollError as error:
        refused: Json = {"code": error.code, "detail": error.detail, "fix": error.fix}
        return canonical.encode({"refused": refused})


def _said(answer: dict[str, Json], document: dict[str, Json]) -> bytes:
    said = canonical.encode(answer)
    if len(said) > confine.MAX_ANSWER:
        raise unsafe(
            fields.text(document, "head", what="inspection request"),
            f"to say what is in it takes {len(said)} bytes, over {confine.MAX_ANSWER}",
            fix="save fewer tensors, or give them shorter names",
        )
    return said


def _asked(document: dict[str, Json], descriptors: range, walls: list[str]) -> dict[str, Json]:
    found, model = _model(document, descriptors)
    try:
        content.check(model.head, found)
        if document.get("wanted") == SUSPECT and found == detect.ONNX:
            return onnx_suspect.find(model)
        if document.get("wanted") in {WEIGHTS, SUSPECT}:
            return {"weights": _FINDERS[found](model).document()}
        return _inspected(found, model, walls)
    except MemoryError:
        raise unsafe(
            model.head.path,
            "reading it takes far more memory than a model of its size needs",
            fix="export the model again; if it is honest, raise the registry's inspection limit",
        ) from None


def _inspected(found: str, model: Model, walls: list[str]) -> dict[str, Json]:
    inspected = _PARSERS[found](model)
    side_files.check(model.sizes.keys() - inspected.files, found)
    _check_signature(inspected.signature, model.head.path)
    detail: dict[str, Json] = {**inspected.detail, "isolation": list(walls)}
    return {"signature": inspected.signature.document(), "detail": detail}


def _model(document: dict[str, Json], descriptors: range) -> tuple[str, Model]:
    what = "inspection request"
    found, head = (fields.text(document, name, what=what) for name in ("format", "head"))
    listed = fields.mapping(document, "sizes", what=what)
    sizes = {path: size for path, size in listed.items() if isinstance(size, int)}
    names = fields.sequence(document, "opened", what=what)
    opened = {
        path: Opened(path, sizes[path], descriptor)
        for path, descriptor in zip(names, descriptors, strict=True)
        if isinstance(path, str)
    }
    return found, Model(opened[head], opened, sizes)


def _check_signature(signature: Signature, head: str) -> None:
    """What a server would have to allocate for one request must be something it can."""
    for role, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if len(tensors) > MAX_TENSORS:
            raise unsafe(head, f"it has {len(tensors)} {role}", fix="export fewer, larger tensors")
        if len({tensor.name for tensor in tensors}) != len(tensors):
            raise unsafe(head, f"two {role} have one name", fix="give each tensor its own name")
        for tensor in tensors:
            elements = prod(size for size in tensor.shape or () if size is not None)
            if elements > MAX_ELEMENTS or len(tensor.name) > MAX_NAME:
                raise unsafe(
                    head,
                    f"{role} {tensor.name[:80]!r} declares {elements} elements and a name of "
                    f"{len(tensor.name)} characters",
                    fix="declare the true shape; leave free dimensions open",
                )
