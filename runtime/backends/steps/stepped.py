"""A version with steps, as a backend around the model's own: clients see what the steps take.

So every dialect, batching, isolation and the metrics work on it as on any other.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from registry.core.steps import FILE, LARGEST_FILE, document, flow
from registry.core.steps.document import Steps
from registry.core.steps.kinds import DecodeImage, Labels, Step, Tokenise
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import protocol
from runtime.backends.protocol import DEFAULT_CALL, Array, Arrays, Backend, Call
from runtime.backends.steps import arithmetic, labelling

_EXTRA = "install the extra `steps`; the small image does not have it"
Part = Callable[[dict[str, Array]], None]


def declared(files: Path) -> Steps | None:
    """The steps of the version in `files`; raises `UnsafeModel` where they cannot be read."""
    path = files / FILE
    if not path.is_file():
        return None
    try:
        with path.open("rb") as source:
            return document.parse(source.read(LARGEST_FILE + 1))
    except InvalidInput as error:
        raise UnsafeModel(error.detail, fix=error.fix) from error


class SteppedBackend:
    """See `Backend`. The one call that it offers is the model's default one.

    `backend` is in the same process, so there is no trouble but its own.
    """

    calls: Mapping[str, Call]
    trouble = ""

    def __init__(self, backend: Backend, steps: Steps, files: Path) -> None:
        if DEFAULT_CALL not in backend.calls:
            raise UnsafeModel(f"{FILE}: the model has no signature {DEFAULT_CALL!r}")
        own = backend.calls[DEFAULT_CALL]
        try:
            found = flow.follow(steps, own.signature)
        except InvalidInput as error:
            raise UnsafeModel(error.detail, fix=error.fix) from error
        self._backend = backend
        self._before = tuple(_part(step, files, found.widths) for step in steps.before)
        self._after = tuple(_part(step, files, found.widths) for step in steps.after)
        self._taken = tuple(tensor.name for tensor in own.signature.inputs)
        self._given = steps.outputs
        names = tuple(tensor.name for tensor in steps.inputs)
        batches = own.batches and protocol.has_free_rows(found.signature)
        self.calls = {
            DEFAULT_CALL: Call(found.signature, own.method, names, steps.outputs, batches)
        }

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`."""
        tensors = dict(inputs)
        # What overflows is infinite, as in the engines.
        with np.errstate(all="ignore"):
            for part in self._before:
                part(tensors)
            tensors |= self._backend.run(call, {name: tensors[name] for name in self._taken})
            for part in self._after:
                part(tensors)
        return {name: tensors[name] for name in self._given}

    def close(self) -> None:
        """See `Backend.close`."""
        self._backend.close()


def _part(step: Step, files: Path, widths: Mapping[str, int]) -> Part:
    """The step, ready to run; what it needs is loaded here. Raises `UnsafeModel`."""
    match step:
        case DecodeImage():
            return _images(step)
        case Tokenise():
            return _texts(step, files / step.file)
        case Labels():
            return labelling.part(step, files / step.file, widths.get(step.output, 0))
        case _:
            return arithmetic.part(step)


def _images(step: DecodeImage) -> Part:
    try:
        from runtime.backends.steps import images  # noqa: PLC0415  heavy, and not everywhere
    except ModuleNotFoundError as error:
        raise UnsafeModel(f"{FILE}: this runtime has no Pillow", fix=_EXTRA) from error
    return images.part(step)


def _texts(step: Tokenise, path: Path) -> Part:
    try:
        from runtime.backends.steps import texts  # noqa: PLC0415  heavy, and not everywhere
    except ModuleNotFoundError as error:
        raise UnsafeModel(f"{FILE}: this runtime has no tokenizers", fix=_EXTRA) from error
    return texts.part(step, path)
