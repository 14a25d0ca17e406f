"""A model that is written already, as something that can be written on and asked."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from registry import errors
from registry.core.tensors import Signature
from registry.making.exporting import examples, forms, running
from registry.making.exporting.forms import Form
from registry.making.exporting.report import Array, Arrays
from registry.making.refusals import NotConvertible


class Written:
    """See `sources.Source`; `path` is a folder or the model's one file."""

    def __init__(self, path: Path, example: object = None) -> None:
        self._form, self._folder = found(path)
        self.forms: Sequence[Form] = (self._form,)
        self.title = forms.TITLES[self._form]
        self._opened = running.opened(self._form, self._folder)
        self.inputs = Signature(self._opened.signature.inputs, ())
        taken = [one.name for one in self.inputs.inputs]
        self.golden: Arrays | None = None if example is None else examples.named(example, taken)

    def write(self, form: Form, folder: Path) -> None:
        del form
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)

    def call(self, inputs: Arrays) -> list[Array]:
        answers = self._opened.run(inputs)
        return [answers[one.name] for one in self._opened.signature.outputs]

    def order(self, names: Sequence[str]) -> list[str]:
        del names
        return [one.name for one in self._opened.signature.outputs]


def found(path: Path) -> tuple[Form, Path]:
    """What a path holds, and in which folder; raises InvalidInput and NotConvertible."""
    if not path.exists():
        raise errors.InvalidInput(f"{path} is not there", fix="name a model's folder or file")
    if path.is_file():
        if path.suffix not in forms.ENDINGS:
            raise NotConvertible(
                f"{path}: a file of this kind is not converted",
                fix="give ONNX, a SavedModel, TorchScript or LiteRT",
            )
        return forms.ENDINGS[path.suffix], path.parent
    if (path / forms.HEADS[Form.SAVED_MODEL]).exists():
        return Form.SAVED_MODEL, path
    kinds = {forms.ENDINGS[one.suffix] for one in path.iterdir() if one.suffix in forms.ENDINGS}
    if len(kinds) != 1:
        raise errors.InvalidInput(
            f"{path}: no model in it, or several", fix="name the folder of one model"
        )
    return kinds.pop(), path
