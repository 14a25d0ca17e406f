"""What a child that is shut in does: load a file by whatever it takes, export it, report.

Keras' archives are loaded in Keras' safe mode, torch.export programs by PyTorch. A pickle is a
program: it comes here only where somebody said that he trusts it.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from registry import errors
from registry.core.canonical import Json
from registry.making import exporting
from registry.making.exporting import running
from registry.making.exporting.report import Tolerance
from registry.making.refusals import NotConvertible

_REFUSED = frozenset({".h5", ".hdf5"})
_PICKLES = frozenset({".pkl", ".pickle", ".joblib"})
# Kinds of files that trainers have, and no registry.
OWN = frozenset({".keras", ".pt2"}) | _REFUSED | _PICKLES


def answer(request: dict[str, Any]) -> dict[str, Json]:
    """Export `source` into `folder`, and give the report's document."""
    source, folder = Path(request["source"]), Path(request["folder"])
    allowed = Tolerance(*request["tolerance"])
    asked = {
        "to": request["to"], "name": request["name"], "tolerance": allowed,
        "example": example(request["example"]),
    }  # fmt: skip
    model = _loaded(source, trusts_pickle=request["pickle"])
    if model is None:
        report = exporting.convert(source, folder, **asked)
    else:
        report = exporting.export(model, folder, batched=request["batched"], **asked)
    return {"report": report.document()}


def example(path: str | None) -> object:
    """One array of an .npy, or those of an .npz by name; never a pickle in them."""
    if not path:
        return None
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise errors.InvalidInput(
            f"{path}: cannot be read as arrays: {error}", fix="give an .npy or .npz without objects"
        ) from error
    return found if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}


def _loaded(source: Path, *, trusts_pickle: bool) -> object | None:
    """The model in a trainer's own kind of file; None where the file is of a format of ours."""
    ending = source.suffix.lower()
    if ending == ".keras":
        load = running.library("keras", "runtime").models.load_model
        archive: object = load(str(source), compile=False, safe_mode=True)
        return archive
    if ending == ".pt2":
        program: object = running.library("torch", "torchscript").export.load(str(source))
        return program
    if ending in _REFUSED:
        raise NotConvertible(
            f"{source.name}: Keras' older HDF5 files are not taken",
            fix="load it where it is trusted and save it as .keras",
        )
    if ending not in _PICKLES:
        return None
    require_trusted(source, trusts=trusts_pickle)
    if ending == ".joblib":
        found: object = running.library("joblib", "demo").load(source)
        return found
    with source.open("rb") as stream:
        pickled: object = pickle.load(stream)  # noqa: S301  trusted in so many words, and shut in
        return pickled


def require_trusted(source: Path, *, trusts: bool) -> None:
    """Raises UnsafeModel for a pickle that nobody says he trusts."""
    if source.suffix.lower() in _PICKLES and not trusts:
        raise errors.UnsafeModel(
            f"{source.name} is a Python pickle: loading it runs what is in it",
            fix="write a function that gives the model and name it as module:function; or say "
            "--trust-pickle if you made the file yourself",
        )
