"""Which format a model is in, by the names of its files. What is in them `content` looks at.

The head is the one file that says what the model is: `saved_model.pb`, the only `.onnx` or
TorchScript file, the only `.safetensors` file, or the index of several; of an ensemble, the file
that names its members.
"""

from collections.abc import Iterable, Sequence

from registry import errors
from registry.core import ensemble
from registry.formats import side_files
from registry.formats.refusal import unsafe

ONNX, SAVED_MODEL, SAFETENSORS, TORCHSCRIPT = "onnx", "saved_model", "safetensors", "torchscript"
ENSEMBLE = ensemble.FORMAT
FORMATS = (ONNX, SAVED_MODEL, SAFETENSORS, TORCHSCRIPT, ENSEMBLE)
TITLES = {
    ONNX: "ONNX",
    SAVED_MODEL: "TensorFlow SavedModel",
    SAFETENSORS: "safetensors",
    TORCHSCRIPT: "TorchScript",
    ENSEMBLE: "an ensemble",
}
SAVED_MODEL_HEAD = "saved_model.pb"
SAVED_MODEL_VARIABLES = "variables/"
SAVED_MODEL_INDEX = "variables/variables.index"
SAFETENSORS_SUFFIX = ".safetensors"
SAFETENSORS_INDEX = ".safetensors.index.json"
# An honest shard's header has a few hundred bytes for each tensor; Hugging Face allows 100 MB.
SAFETENSORS_HEADER = 16 << 20

_SUFFIXES = {
    ONNX: (".onnx",),
    SAFETENSORS: (SAFETENSORS_SUFFIX,),
    TORCHSCRIPT: (".pt", ".pth", ".ts", ".torchscript"),
    ENSEMBLE: (ensemble.FILE,),
}
_PUSH_ONE = {
    ONNX: "push one .onnx file (and its external data files) as one model",
    SAFETENSORS: "push the index too (model.safetensors.index.json), or one file as one model",
    TORCHSCRIPT: "push one TorchScript file as one model",
    ENSEMBLE: f"push one {ensemble.FILE} as one model",
}


def head(paths: Iterable[str], declared: str | None) -> tuple[str, str]:
    """(format, path of the head); raises UnsafeModel or InvalidInput."""
    listed = sorted(paths)
    found = declared or _format_of_names(listed)
    if found not in FORMATS:
        raise errors.InvalidInput(
            f"format {found[:40]!r} is not known", fix=f"use one of: {', '.join(FORMATS)}"
        )
    path = _saved_model_head(listed) if found == SAVED_MODEL else _only_head(listed, found)
    side_files.refuse_code([other for other in listed if other != path])
    return found, path


def wanted(found: str, head_path: str, paths: Iterable[str]) -> dict[str, int | None]:
    """Files that the parser reads, and how many bytes of each suffice; None means all."""
    if found != SAFETENSORS:
        return {head_path: None}
    shards = [path for path in sorted(paths) if path.endswith(SAFETENSORS_SUFFIX)]
    index: dict[str, int | None] = {} if head_path in shards else {head_path: None}
    return index | dict.fromkeys(shards, 8 + SAFETENSORS_HEADER)


def wanted_for_weights(found: str, head_path: str, paths: Iterable[str]) -> dict[str, int | None]:
    """The same, for the parser that finds the weights."""
    files = wanted(found, head_path, paths)
    if found == SAVED_MODEL and SAVED_MODEL_INDEX in paths:
        files[SAVED_MODEL_INDEX] = None
    return files


def memory(found: str, size: int) -> int:
    """What the parser of a head of `size` bytes needs for the file itself."""
    return 3 * size if found in {ONNX, SAVED_MODEL} else 0


def of_names(paths: Iterable[str]) -> list[str]:
    """Every format that one of the files has the name for."""
    listed = list(paths)
    return [
        found
        for found in FORMATS
        if (SAVED_MODEL_HEAD in listed if found == SAVED_MODEL else _heads(listed, found))
    ]


def _format_of_names(paths: Sequence[str]) -> str:
    found = of_names(paths)
    if len(found) > 1:
        raise errors.InvalidInput(
            f"the model holds files of {' and '.join(TITLES[one] for one in found)}: "
            "it could be either",
            fix="push the files of one; the other can be a second variant of the version",
        )
    # A folder that holds none is an ONNX model without its file, and the error says so.
    return found[0] if found else ONNX


def _heads(paths: Iterable[str], found: str) -> list[str]:
    return [path for path in paths if path.endswith(_SUFFIXES[found])]


def _only_head(paths: Sequence[str], found: str) -> str:
    heads = _heads(paths, found)
    if found == SAFETENSORS:
        heads = [path for path in paths if path.endswith(SAFETENSORS_INDEX)] or heads
    if len(heads) == 1:
        return heads[0]
    if heads:
        raise unsafe(
            heads[1],
            f"a second {TITLES[found]} file beside {heads[0]}: which one is meant is not said",
            fix=_PUSH_ONE[found],
        )
    others = of_names(paths)
    if others:
        raise unsafe(
            paths[0],
            f"this is {TITLES[others[0]]}, declared is {TITLES[found]}",
            fix=f"push it with --format {others[0]}, or leave the format out",
        )
    raise _nothing(paths)


def _nothing(paths: Sequence[str]) -> errors.UnsafeModel:
    return side_files.explain(paths) or unsafe(
        paths[0] if paths else ".",
        f"no model among {len(paths)} file(s): no .onnx, .safetensors or TorchScript .pt file "
        f"and no {SAVED_MODEL_HEAD}",
        fix="push a file named like model.onnx, or a folder that holds saved_model.pb at its top",
    )


def _saved_model_head(paths: Sequence[str]) -> str:
    if SAVED_MODEL_HEAD in paths:
        return SAVED_MODEL_HEAD
    below = [path for path in paths if path.endswith(f"/{SAVED_MODEL_HEAD}")]
    others = of_names(paths)
    if others:
        fix = f"push it with --format {others[0]}, or leave the format out"
    elif below:
        fix = f"push the folder {below[0].rpartition('/')[0]!r} itself"
    else:
        fix = "push the folder that tf.saved_model.save or keras model.export made"
    raise unsafe(
        SAVED_MODEL_HEAD, "a SavedModel has this file at its top, and it is missing", fix=fix
    )
