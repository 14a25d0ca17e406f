"""Files that may lie beside a model's own: read by people and tokenizers, run by nobody.

An allow-list of names and endings. What is not here, and not a file that the model itself
refers to, is refused: a folder that is signed and served whole must not carry what a tool beside
it would load and run.
"""

import posixpath
import re
from collections.abc import Iterable, Sequence

from registry.errors import UnsafeModel
from registry.formats.refusal import unsafe

# Text without a program in it, and pictures.
_TEXTS = """
.json .jsonl .yaml .yml .toml .txt .md .rst .csv .tsv .vocab .bpe .labels .sig .cff .png .jpg .jpeg
"""
# What MLflow writes beside a model; SentencePiece's vocabularies (protobuf); Hugging Face's prompt;
# Triton's and others' texts.
_TITLES = """
MLmodel registered_model_meta tokenizer.model spiece.model sentencepiece.model
sentencepiece.bpe.model chat_template.jinja config.pbtxt LICENSE LICENCE NOTICE README AUTHORS
CITATION vocab merges labels
"""
_PICKLED = """
.pkl .pickle .p .joblib .dill .cloudpickle .skops .pt .pth .ckpt .mar .npy .npz .sav
"""
_RUN = """
.py .pyc .pyo .pyd .pyx .ipynb .so .dll .dylib .exe .sh .bash .bat .ps1 .js .mjs .jar .class .wasm
.whl .egg .php .rb .pl .lua .r .jl .html .htm .svg
"""
_PACKED = ".zip .tar .gz .tgz .bz2 .xz .zst .7z .rar"
_ENDINGS, _NAMES, _PICKLES, _PROGRAMS, _ARCHIVES = (
    frozenset(listed.split()) for listed in (_TEXTS, _TITLES, _PICKLED, _RUN, _PACKED)
)
_PICKLED_BIN = re.compile(
    r"(pytorch_model|training_args|optimizer|scheduler|adapter_model)\b.*\.bin"
)
_FORMATS = {
    ".keras": "a Keras archive, which can carry code",
    ".h5": "an HDF5 file, which Keras can load code from",
    ".hdf5": "an HDF5 file, which Keras can load code from",
    ".tflite": "a TensorFlow Lite file",
    ".gguf": "a GGUF file",
    ".pmml": "a PMML file",
    ".mlmodel": "a Core ML file",
    ".pdmodel": "a Paddle file",
    ".caffemodel": "a Caffe file",
}
_LEAVE_OUT = "push a folder without it"


def is_allowed(path: str) -> bool:
    """Whether the file may lie beside any model, by its name."""
    return posixpath.basename(path) in _NAMES or _ending(path) in _ENDINGS


def refuse_code(paths: Iterable[str]) -> None:
    """Raise UnsafeModel for a file that beside no model can be right, before anything is read."""
    for path in paths:
        refusal = _never(path)
        if refusal is not None:
            raise refusal


def check(paths: Iterable[str], found: str) -> None:
    """`paths` are the files that the model does not itself refer to. Raises UnsafeModel."""
    for path in sorted(paths):
        if not is_allowed(path):
            raise _never(path) or unsafe(
                path,
                f"the {found} model does not refer to this file, and its kind is not known",
                fix=f"{_LEAVE_OUT}; beside a model may be .json, .yaml, .txt, .md and such",
            )


def explain(paths: Sequence[str]) -> UnsafeModel | None:
    """Why none of `paths` is taken for a model, where one has a name that tells."""
    return next((refusal for path in paths if (refusal := _never(path)) is not None), None)


def _never(path: str) -> UnsafeModel | None:
    ending = _ending(path)
    if ending in _PICKLES or _PICKLED_BIN.fullmatch(posixpath.basename(path)):
        return unsafe(
            path,
            "this kind of file is a Python pickle, or can hold one: loading it can run anything",
            fix=f"{_LEAVE_OUT}, or with the model exported as ONNX, SavedModel, TorchScript or "
            "safetensors",
        )
    if ending in _PROGRAMS or "/__pycache__/" in f"/{path}":
        return unsafe(path, "a program is not part of a model", fix=_LEAVE_OUT)
    if ending in _ARCHIVES:
        return unsafe(path, "an archive can hold anything", fix="push what is in it")
    if ending in _FORMATS:
        return unsafe(
            path,
            f"this is {_FORMATS[ending]}, and not accepted",
            fix="export the model as ONNX or SavedModel and push that",
        )
    return None


def _ending(path: str) -> str:
    return posixpath.splitext(path)[1].lower()
