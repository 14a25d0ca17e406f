"""A ModelInferResponse as bytes.

What a version's raw answers begin with is the same for all of one shape: it is made once. The id
and the tensors' bytes are put behind it, which by protobuf's encoding is the same message.
"""

from typing import Any

from runtime.backends.protocol import Array
from runtime.protocols import datatypes
from runtime.protocols.grpc import messages

Output = tuple[str, str, Array]  # name, datatype, value

_RESPONSE = messages.of("inference.ModelInferResponse")
CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents",
    "INT32": "int_contents", "INT64": "int64_contents", "UINT8": "uint_contents",
    "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
_ID, _RAW = (_RESPONSE.DESCRIPTOR.fields_by_name[name].number
             for name in ("id", "raw_output_contents"))  # fmt: skip
_KEPT = 256


class Heads:
    """Keeps what raw answers begin with."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], bytes] = {}

    def raw(self, model: str, version: str, asked: str, outputs: list[Output]) -> bytes:
        """The answer to the request with the id `asked`, with tensors as bytes."""
        key = (
            model,
            version,
            *((name, datatype, value.shape) for name, datatype, value in outputs),
        )
        head = self._known.get(key)
        if head is None:
            if len(self._known) == _KEPT:
                self._known.clear()
            head = self._known[key] = bytes(_begun(model, version, outputs).SerializeToString())
        parts = [head]
        if asked:
            parts += length_delimited(_ID, asked.encode())
        for _, datatype, value in outputs:
            data = datatypes.packed(value) if datatype == "BYTES" else value.tobytes()
            parts += length_delimited(_RAW, data)
        return b"".join(parts)


def typed(model: str, version: str, asked: str, outputs: list[Output]) -> bytes:
    """Likewise, with tensors as numbers."""
    made = _begun(model, version, outputs)
    made.id = asked
    for output, (_, datatype, value) in zip(made.outputs, outputs, strict=True):
        getattr(output.contents, CONTENTS[datatype]).extend(value.ravel().tolist())
    return bytes(made.SerializeToString())


def length_delimited(field: int, data: bytes) -> tuple[bytes, bytes]:
    """A field as it is on the wire: https://protobuf.dev/programming-guides/encoding/"""
    size, head = len(data), bytearray([field << 3 | 2])
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return bytes(head), data


def _begun(model: str, version: str, outputs: list[Output]) -> Any:
    made = _RESPONSE(model_name=model, model_version=version)
    for name, datatype, value in outputs:
        made.outputs.add(name=name, datatype=datatype, shape=value.shape)
    return made
