"""Which format a model is in: first by the names of its files, then by what is in them.

The head is the one file that says what the model is: `saved_model.pb`, or the only `.onnx` file.
"""

from collections.abc import Iterable

from registry import errors
from registry.formats import wire
from registry.formats.refusal import unsafe

ONNX, SAVED_MODEL = "onnx", "saved_model"
FORMATS = (ONNX, SAVED_MODEL)
SAVED_MODEL_HEAD = "saved_model.pb"

_TITLES = {ONNX: "ONNX", SAVED_MODEL: "TensorFlow SavedModel"}
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
_EXPORT = {
    ONNX: "export the model to ONNX again and push that file",
    SAVED_MODEL: "export the model with tf.saved_model.save or keras model.export and push that",
}


def head(paths: Iterable[str], declared: str | None) -> tuple[str, str]:
    """(format, path of the head); raises UnsafeModel or InvalidInput."""
    listed = sorted(paths)
    match declared or _format_of_names(listed):
        case "onnx":
            return ONNX, _onnx_head(listed)
        case "saved_model":
            return SAVED_MODEL, _saved_model_head(listed)
        case other:
            raise errors.InvalidInput(
                f"format {other[:40]!r} is not known", fix=f"use one of: {', '.join(FORMATS)}"
            )


def check_content(data: memoryview, path: str, expected: str) -> None:
    """Raises UnsafeModel unless `data` looks like `expected` from its first to its last field."""
    if len(data) == 0:
        raise unsafe(path, "the file is empty", fix=_EXPORT[expected])
    for start, magic, title in _MAGIC:
        if data[start : start + len(magic)] == magic:
            raise unsafe(path, f"this is {title}, not {_TITLES[expected]}", fix=_EXPORT[expected])
    found = _format_of_fields(data, path, expected)
    if found is None:
        raise unsafe(path, f"this is not {_TITLES[expected]}", fix=_EXPORT[expected])
    if found != expected:
        raise unsafe(
            path,
            f"this is {_TITLES[found]}, declared is {_TITLES[expected]}",
            fix=f"push it with --format {found}, or leave the format out",
        )


def _format_of_names(paths: list[str]) -> str:
    is_saved_model = SAVED_MODEL_HEAD in paths
    is_onnx = any(path.endswith(".onnx") for path in paths)
    if is_saved_model and is_onnx:
        raise errors.InvalidInput(
            f"the model holds {SAVED_MODEL_HEAD} and .onnx files: it could be either",
            fix="name the format, or push only the files of one",
        )
    # A folder that holds neither is an ONNX model without its file, and the error says so.
    return SAVED_MODEL if is_saved_model else ONNX


def _onnx_head(paths: list[str]) -> str:
    heads = [path for path in paths if path.endswith(".onnx")]
    if len(heads) == 1:
        return heads[0]
    if SAVED_MODEL_HEAD in paths:
        raise unsafe(
            SAVED_MODEL_HEAD,
            "this is TensorFlow SavedModel, declared is ONNX",
            fix="push it with --format saved_model, or leave the format out",
        )
    if heads:
        raise unsafe(
            heads[1],
            f"a second ONNX file beside {heads[0]}: which one to serve is not said",
            fix="push one .onnx file (and its external data files) as one model",
        )
    raise unsafe(
        paths[0] if paths else ".",
        f"no model among {len(paths)} file(s): no .onnx file and no {SAVED_MODEL_HEAD}",
        fix="push a file named like model.onnx, or a folder that holds saved_model.pb at its top",
    )


def _saved_model_head(paths: list[str]) -> str:
    if SAVED_MODEL_HEAD in paths:
        return SAVED_MODEL_HEAD
    below = [path for path in paths if path.endswith(f"/{SAVED_MODEL_HEAD}")]
    onnx = [path for path in paths if path.endswith(".onnx")]
    if onnx:
        fix = f"{onnx[0]} is there: push it with --format onnx, or leave the format out"
    elif below:
        fix = f"push the folder {below[0].rpartition('/')[0]!r} itself"
    else:
        fix = "push the folder that tf.saved_model.save or keras model.export made"
    raise unsafe(
        SAVED_MODEL_HEAD, "a SavedModel has this file at its top, and it is missing", fix=fix
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
        return ONNX
    if seen == {(1, wire.VARINT), (2, wire.LENGTH)}:
        return SAVED_MODEL
    return None
