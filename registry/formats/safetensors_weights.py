"""Where the weights of safetensors files lie. No byte belongs to two tensors, nothing is summed."""

from collections.abc import Mapping

from registry.formats import carriers, safetensors
from registry.formats.carriers import Claim
from registry.formats.model import Model
from registry.formats.weights import WeightMap

_DTYPES: Mapping[str, str] = {
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
}  # fmt: skip


def find(asked: Model) -> WeightMap:
    """Raises UnsafeModel, naming the file, the tensor and what to do."""
    claims = (
        Claim(one.name, _DTYPES.get(one.dtype, one.dtype), one.shape, path, one.start, one.stop)
        for path, listed in safetensors.tensors(asked).items()
        for one in listed
    )
    return WeightMap(carriers.runs(claims))
