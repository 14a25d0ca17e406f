"""A publisher's own word on inputs and outputs, for what a file does not say.

TorchScript names its inputs and knows neither types nor shapes; safetensors has no call at all.
What the file does say is never overruled.
"""

from collections.abc import Sequence

from registry import errors
from registry.core import facts
from registry.core.tensors import UNKNOWN, Signature, Tensor

_COUNT = 1000
_NAME = 1000


def complete(found: Signature, said: Signature) -> Signature:
    """`said`, where it does not contradict `found`; raises InvalidInput.

    An empty side of `found` takes any; else names and order are the file's, and a type, a rank
    or a size that the file knows stays.
    """
    return Signature(
        _complete(found.inputs, said.inputs, "inputs"),
        _complete(found.outputs, said.outputs, "outputs"),
    )


def _complete(found: Sequence[Tensor], said: Sequence[Tensor], role: str) -> tuple[Tensor, ...]:
    if len(said) > _COUNT:
        raise errors.InvalidInput(f"{len(said)} {role}", fix=f"at most {_COUNT} can be declared")
    for tensor in said:
        facts.require_text(tensor.name, what=f"the name of one of the {role}", limit=_NAME)
    names = [tensor.name for tensor in found]
    if found and names != [tensor.name for tensor in said]:
        raise errors.InvalidInput(
            f"the signature's {role} are {', '.join(tensor.name for tensor in said)[:200]}",
            fix=f"the model calls them {', '.join(names)[:200]}",
        )
    for known, tensor in zip(found, said, strict=False):
        if known.dtype not in {UNKNOWN, tensor.dtype} or not _fits(known.shape, tensor.shape):
            raise errors.InvalidInput(
                f"the signature says {_shown(tensor)}, the model {_shown(known)}",
                fix="say what the model says, or leave it out",
            )
    return tuple(said)


def _fits(known: Sequence[int | None] | None, said: Sequence[int | None] | None) -> bool:
    if known is None:
        return True
    return (
        said is not None
        and len(said) == len(known)
        and all(size in {None, other} for size, other in zip(known, said, strict=True))
    )


def _shown(tensor: Tensor) -> str:
    sizes = "…" if tensor.shape is None else ", ".join(str(n or "?") for n in tensor.shape)
    return f"{tensor.name}: {tensor.dtype}[{sizes}]"[:200]
