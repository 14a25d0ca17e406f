"""The inspecting process: `python -m registry.formats.child`, started by `inspection` only.

It imports what it needs, shuts itself in, and only then looks at the model, which comes as an
open file descriptor. One JSON request on stdin, one JSON answer on stdout; native libraries
that print do so on stderr.
"""

import importlib
import mmap
import os
import sys
from math import prod

from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.core.tensors import Signature
from registry.formats import confine, detect
from registry.formats.refusal import unsafe

MAX_TENSORS = 1000
MAX_NAME = 512
MAX_ELEMENTS = 1 << 31
_PARSERS = {
    detect.ONNX: "registry.formats.onnx_model",
    detect.SAVED_MODEL: "registry.formats.saved_model",
}


def main() -> None:
    """Answer {"signature", "detail"} or {"refused": {"code", "detail", "fix"}}."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    request = canonical.decode_object(sys.stdin.buffer.read(), what="inspection request")
    try:
        answer = _answer(request)
    except errors.PlimsollError as error:
        refused: Json = {"code": error.code, "detail": error.detail, "fix": error.fix}
        answer = {"refused": refused}
    with os.fdopen(answer_to, "wb") as stream:
        stream.write(canonical.encode(answer))


def _answer(request: dict[str, Json]) -> dict[str, Json]:
    what = "inspection request"
    found, head = (fields.text(request, name, what=what) for name in ("format", "head"))
    listed = fields.mapping(request, "sizes", what=what)
    sizes = {path: size for path, size in listed.items() if isinstance(size, int)}
    descriptor = fields.integer(request, "descriptor", what=what)
    # Here and not at the top: a parser is heavy, and only the right one is loaded.
    parser = importlib.import_module(_PARSERS[found])
    walls = confine.confine(
        memory_bytes=fields.integer(request, "memoryBytes", what=what),
        cpu_seconds=fields.integer(request, "cpuSeconds", what=what),
    )
    try:
        data = _mapped(descriptor, head)
        detect.check_content(data, head, found)
        signature, detail = parser.inspect(data, head, sizes)
    except MemoryError:
        raise unsafe(
            head,
            "reading it takes far more memory than a model of its size needs",
            fix="export the model again; if it is honest, raise the registry's inspection limit",
        ) from None
    _check_signature(signature, head)
    return {"signature": signature.document(), "detail": {**detail, "isolation": list(walls)}}


def _mapped(descriptor: int, head: str) -> memoryview:
    size = os.fstat(descriptor).st_size
    if size == 0:
        return memoryview(b"")
    if size >= 1 << 31:
        raise unsafe(
            head,
            f"{size} bytes: no protobuf message may have 2 GiB or more",
            fix="keep the weights in external data files (onnx.save_model with "
            "save_as_external_data=True) or in variables/",
        )
    return memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ))


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


if __name__ == "__main__":
    main()
