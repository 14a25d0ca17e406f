"""A model repository for the Triton Inference Server, with its `config.pbtxt`.

After Triton's model_config.proto. `max_batch_size` is 0 and the shapes are whole: whether rows may
be stacked no file says, so that is for whoever runs it.
"""

import json
from collections.abc import Mapping

from registry.core.tensors import Tensor
from registry.making.refusals import NotConvertible
from registry.making.rendering.rendered import Rendered, Version, require

# Triton left its TensorFlow backend out of its images from 25.03 on; older ones have it.
_BACKENDS = {"onnx": "onnxruntime", "saved_model": "tensorflow", "torchscript": "pytorch"}
_PLATFORMS = {"saved_model": "tensorflow_savedmodel", "torchscript": "pytorch_libtorch"}
_TYPES: Mapping[str, str] = {
    "bool": "BOOL", "string": "STRING", "float16": "FP16", "bfloat16": "BF16", "float32": "FP32",
    "float64": "FP64",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}"
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
_SAVED_MODEL = "model.savedmodel"


def render(version: Version) -> Rendered:
    """Raises NotConvertible for a format, or for tensors, that Triton does not take."""
    require(version, _BACKENDS, "Triton")
    below = f"{version.model}/{version.version}"
    if version.format == "saved_model":
        below = f"{below}/{_SAVED_MODEL}"
    return Rendered({f"{version.model}/config.pbtxt": config(version)}, below)


def config(version: Version) -> str:
    """The text of `config.pbtxt`; it serves this version and no other."""
    is_program = version.format == "torchscript"
    inputs = [_tensor(one, one.name) for one in version.signature.inputs]
    outputs = [
        # The PyTorch backend finds outputs by the number behind two underscores.
        _tensor(one, f"{one.name}__{at}" if is_program else one.name)
        for at, one in enumerate(version.signature.outputs)
    ]
    kind = _PLATFORMS.get(version.format)
    file = _SAVED_MODEL if version.format == "saved_model" else version.head
    lines = [
        f"# {version.model} {version.version}, {version.digest}",
        f"name: {json.dumps(version.model)}",
        f"platform: {json.dumps(kind)}" if kind else f"backend: {json.dumps('onnxruntime')}",
        f"default_model_filename: {json.dumps(file)}",
        "max_batch_size: 0",
        f"version_policy {{ specific {{ versions: [{version.version}] }} }}",
        f"input [\n{_listed(inputs)}\n]",
        f"output [\n{_listed(outputs)}\n]",
    ]
    return "\n".join(lines) + "\n"


def _listed(tensors: list[str]) -> str:
    return ",\n".join(f"  {one}" for one in tensors)


def _tensor(one: Tensor, name: str) -> str:
    if one.shape is None or one.dtype not in _TYPES:
        raise NotConvertible(
            f"{one.name!r} is {one.dtype} of shape {one.shape}; Triton wants type and rank",
            fix="say what it is with plimsoll push --tensors",
        )
    sizes = ", ".join("-1" if size is None else str(size) for size in one.shape)
    # It has no scalars: one number is a list of one, and told to be a scalar within.
    scalar = "" if one.shape else ", reshape { shape: [] }"
    said = f"name: {json.dumps(name)}, data_type: TYPE_{_TYPES[one.dtype]}"
    return f"{{ {said}, dims: [{sizes or '1'}]{scalar} }}"
