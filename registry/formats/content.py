"""Whether the head's bytes are of the format that its name promises."""

from registry.errors import UnsafeModel
from registry.formats import detect, wire
from registry.formats.model import Opened
from registry.formats.refusal import unsafe

_PROTOBUFS = {detect.ONNX, detect.SAVED_MODEL}
_MAGIC = (
    (0, b"PK\x03\x04", "a zip archive (perhaps .keras, .npz or a PyTorch file)"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (perhaps a Keras .h5)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (4, b"TFL3", "a TensorFlow Lite file"),
    (0, b"GGUF", "a GGUF file"),
    (0, b"\x80\x02", "a Python pickle"),
    (0, b"\x80\x03", "a Python pickle"),
    (0, b"\x80\x04", "a Python pickle"),
    (0, b"\x80\x05", "a Python pickle"),
)
_ZIP = _MAGIC[0][1]
_EXPORT = {
    detect.ONNX: "export the model to ONNX again and push that file",
    detect.SAVED_MODEL: "export the model with tf.saved_model.save or keras model.export "
    "and push that",
    detect.SAFETENSORS: "save the weights with safetensors.torch.save_model and push that file",
    detect.TORCHSCRIPT: "save it with torch.jit.script(model).save('model.pt') and push that file",
    detect.ENSEMBLE: "write it as docs/runtime/ensembles.md shows",
}


def check(head: Opened, expected: str) -> None:
    """Raises UnsafeModel unless `head` looks like `expected`."""
    start = head.read(0, 32)
    if not start:
        raise unsafe(head.path, "the file is empty", fix=_EXPORT[expected])
    if expected == detect.SAFETENSORS and _is_safetensors(head.path, start):
        return
    for position, magic, title in _MAGIC:
        if start[position : position + len(magic)] == magic:
            if magic == _ZIP and expected == detect.TORCHSCRIPT:
                return
            raise unsafe(
                head.path, f"this is {title}, not {detect.TITLES[expected]}", fix=_EXPORT[expected]
            )
    if expected == detect.ENSEMBLE:
        return  # JSON, and its parser says better what is wrong with it
    if expected in _PROTOBUFS:
        _check_fields(head, expected)
    else:
        raise _another(head, expected)


def _is_safetensors(path: str, start: bytes) -> bool:
    """A header's length, of which only the lower bytes are used, and its opening brace.

    Asked first, since a length may have the bytes that other formats begin with.
    """
    if path.endswith(detect.SAFETENSORS_INDEX):
        return start.lstrip()[:1] == b"{"
    return start[4:9] == b"\0\0\0\0{"


def _another(head: Opened, expected: str) -> UnsafeModel:
    return unsafe(head.path, f"this is not {detect.TITLES[expected]}", fix=_EXPORT[expected])


def _check_fields(head: Opened, expected: str) -> None:
    found = _format_of_fields(head.message(), head.path, expected)
    if found is None:
        raise _another(head, expected)
    if found != expected:
        raise unsafe(
            head.path,
            f"this is {detect.TITLES[found]}, declared is {detect.TITLES[expected]}",
            fix=f"push it with --format {found}, or leave the format out",
        )


def _format_of_fields(data: memoryview, path: str, expected: str) -> str | None:
    """By the fields that only one format has; None where it is neither."""
    seen: set[tuple[int, int]] = set()
    try:
        for field in wire.fields(data):
            seen.add((field.number, field.wire_type))
    except wire.Broken as broken:
        if (1, wire.VARINT) in seen:  # as both formats start
            raise unsafe(
                path, f"the file is truncated or damaged: {broken}", fix=_EXPORT[expected]
            ) from broken
        return None
    if {(1, wire.VARINT), (7, wire.LENGTH), (8, wire.LENGTH)} <= seen:
        return detect.ONNX
    if seen == {(1, wire.VARINT), (2, wire.LENGTH)}:
        return detect.SAVED_MODEL
    return None
