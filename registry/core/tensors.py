"""What goes into a model and what comes out: names, dtypes, shapes."""

from dataclasses import dataclass

from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

DTYPES = frozenset(
    {"bool", "string", "float16", "bfloat16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


# Where a file does not say, as TorchScript does not: shown as such, and nothing that can be served.
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Tensor:
    """`shape` has None for each free dimension; a `shape` of None means that the rank is free."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def document(self) -> dict[str, Json]:
        """JSON form, null for what is free."""
        shape: Json = None if self.shape is None else list(self.shape)
        return {"name": self.name, "dtype": self.dtype, "shape": shape}


@dataclass(frozen=True, slots=True)
class Signature:
    """The tensors of a model's default serving call, in the file's own order."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def document(self) -> dict[str, Json]:
        """JSON form: `inputs` and `outputs`, lists of tensors."""
        return {
            "inputs": [tensor.document() for tensor in self.inputs],
            "outputs": [tensor.document() for tensor in self.outputs],
        }


def signature(document: dict[str, Json]) -> Signature:
    """The inverse of `Signature.document`; raises `InvalidInput`."""
    inputs = [_tensor(item) for item in fields.objects(document, "inputs", what="signature")]
    outputs = [_tensor(item) for item in fields.objects(document, "outputs", what="signature")]
    return Signature(tuple(inputs), tuple(outputs))


def _tensor(item: dict[str, Json]) -> Tensor:
    dtype = fields.text(item, "dtype", what="tensor")
    if dtype not in DTYPES | {UNKNOWN}:
        raise InvalidInput(f"tensor dtype {dtype!r} is not one of {', '.join(sorted(DTYPES))}")
    name = fields.text(item, "name", what="tensor")
    if item.get("shape") is None:
        return Tensor(name, dtype, None)
    shape: list[int | None] = []
    for size in fields.sequence(item, "shape", what="tensor"):
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
            raise InvalidInput(f"tensor {name!r} has the impossible dimension {size!r}")
        shape.append(size)
    return Tensor(name, dtype, tuple(shape))
