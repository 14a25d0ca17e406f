"""The one call: a model in, a folder out that can be published, and a report of the differences.

    folder/model/        the files to publish
    folder/card.md       the beginning of a model card
    folder/tensors.json  inputs and outputs, as `plimsoll push --tensors` reads them
    folder/golden.npz    the inputs, and the original's answers to them
    folder/parity.json   the report

The folder appears whole or not at all. A model that answers otherwise than its original leaves
none behind.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from registry import errors
from registry.core import canonical, names
from registry.core.tensors import Signature
from registry.making.exporting import card, examples, forms, running, sources, steps, versions
from registry.making.exporting.forms import Form
from registry.making.exporting.report import (
    Array,
    Arrays,
    Difference,
    Report,
    Tolerance,
    difference,
)
from registry.making.exporting.written import Written
from registry.making.refusals import ParityFailed

MODEL, GOLDEN, PARITY = "model", "golden.npz", "parity.json"
_DEFAULT = Tolerance()


def export(  # noqa: PLR0913  each is an option of the one call
    model: object,
    folder: Path | str,
    *,
    to: str = Form.ONNX,
    example: object = None,
    name: str = "model",
    batched: bool = True,
    tolerance: Tolerance = _DEFAULT,
) -> Report:
    """Write a model that is in memory into `folder`, which must not be there or be empty.

    `model` is a Keras model, a torch.nn.Module, a torch.export program, a TorchScript module, a
    tf.Module or a scikit-learn estimator. `to` is onnx, saved_model, torchscript or tflite.
    `example` is one array `[samples, ...]` for each input, as one, a list or by name: PyTorch
    needs it, and the others are compared on it. With `batched` the number of samples is free.

    Raises NotConvertible where there is no way, ParityFailed where the answers differ by more
    than `tolerance`, InvalidInput, InvalidConfig where a library is missing, Conflict.
    """
    source = sources.of(model, example, batched=batched)
    return make(source, Path(folder), to=forms.form(to), name=names.slug(name), tolerance=tolerance)


def convert(
    source: Path | str,
    folder: Path | str,
    *,
    to: str,
    example: object = None,
    name: str = "model",
    tolerance: Tolerance = _DEFAULT,
) -> Report:
    """As `export`, of a model that is written already: a folder, or its one file.

    It is loaded in this process: for your own files. `plimsoll convert` does it shut in.
    """
    written = Written(Path(source), example)
    return make(
        written, Path(folder), to=forms.form(to), name=names.slug(name), tolerance=tolerance
    )


def make(
    source: sources.Source, folder: Path, *, to: Form, name: str, tolerance: Tolerance
) -> Report:
    """See `export`, for whatever can be written and asked."""
    _require_room(folder)
    route = forms.route(source.forms, to, what=source.title)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        made = work / "whole"
        (made / MODEL).mkdir(parents=True)
        _walk(source, route, work, made / MODEL)
        opened = running.opened(to, made / MODEL)
        signature = _ordered(opened.signature, source)
        golden = source.golden or examples.seeded(signature, None)
        kinds = {"golden": golden, "seeded": examples.seeded(signature, golden)}
        answers = {kind: source.call(inputs) for kind, inputs in kinds.items()}
        differences = {
            kind: _compared(answers[kind], opened.run(inputs), signature, tolerance)
            for kind, inputs in kinds.items()
        }
        report = Report(
            name=name, source=source.title, route=route, signature=signature,
            golden=differences["golden"], seeded=differences["seeded"], tolerance=tolerance,
            samples={kind: examples.rows(inputs) for kind, inputs in kinds.items()},
            seed=examples.SEED, folder=folder, versions=versions.loaded(),
        )  # fmt: skip
        _require_parity(report)
        _write_beside(made, report, golden, answers["golden"])
        made.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return report


def _walk(source: sources.Source, route: Sequence[Form], work: Path, last: Path) -> None:
    """Each form in a folder of its own, the last one in `last`."""
    places = [work / form for form in route[:-1]] + [last]
    for place in places[:-1]:
        place.mkdir()
    source.write(route[0], places[0])
    for at in range(1, len(route)):
        steps.take(route[at - 1], route[at], places[at - 1], places[at])


def _ordered(signature: Signature, source: sources.Source) -> Signature:
    """The tensors in the original's order: inputs by name, outputs as its call gives them."""
    order = source.order([one.name for one in signature.outputs])
    outputs = {one.name: one for one in signature.outputs}
    inputs = {one.name: one for one in signature.inputs}
    wanted = [one.name for one in source.inputs.inputs]
    if set(order) - set(outputs) or set(wanted) != set(inputs):
        raise errors.InvalidInput(
            f"the model takes {', '.join(wanted)} and gives {', '.join(order)}; what was made of "
            f"it takes {', '.join(inputs)} and gives {', '.join(outputs)}",
            fix="give inputs and outputs plain, different names",
        )
    return Signature(tuple(inputs[n] for n in wanted), tuple(outputs[n] for n in order))


def _compared(
    wanted: list[Array], found: Arrays, signature: Signature, tolerance: Tolerance
) -> dict[str, Difference]:
    return {
        one.name: difference(value, found[one.name], tolerance)
        for one, value in zip(signature.outputs, wanted, strict=True)
    }


def _require_parity(report: Report) -> None:
    for kind, found in (("golden", report.golden), ("seeded", report.seeded)):
        for output, one in found.items():
            if not one.holds:
                apart = "its shape differs" if one.largest is None and one.argmax is None else (
                    f"differs by {one.largest}" if one.argmax is None or one.largest is not None
                    else f"is equal in {one.argmax:.1%}"
                )  # fmt: skip
                raise ParityFailed(
                    f"output {output!r} of the {report.form} model {apart} on {kind} inputs; "
                    f"allowed are {report.tolerance.absolute:g} + {report.tolerance.relative:g} of "
                    "the value",
                    fix="look at what the model was trained with (float64, randomness, a "
                    "dropout that is not off), or allow more if you know why",
                )


def _write_beside(made: Path, report: Report, golden: Arrays, answers: list[Array]) -> None:
    outputs = {
        one.name: value for one, value in zip(report.signature.outputs, answers, strict=True)
    }
    # No pickles: text goes in as bytes of one width.
    arrays = {
        **{f"input:{name}": value for name, value in golden.items()},
        **{f"output:{name}": value for name, value in outputs.items()},
    }
    plain: Any = {name: _plain(value) for name, value in arrays.items()}
    np.savez(made / GOLDEN, **plain)
    (made / "card.md").write_text(card.text(report), encoding="utf-8")
    (made / running.TENSORS).write_bytes(canonical.encode(report.signature.document()))
    (made / PARITY).write_bytes(canonical.encode(report.document()))


def _plain(value: Array) -> Array:
    return value.astype("S") if value.dtype.kind in "OU" and value.size else value


def _require_room(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise errors.Conflict(
            f"{folder} is there already and not empty", fix="name a folder that is not there yet"
        )
