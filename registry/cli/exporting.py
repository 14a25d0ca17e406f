"""`plimsoll export` and `plimsoll convert`: a model made into another format, and compared.

Files are loaded by a child that is shut in; `module:function` is the user's own code, and runs
here as his interpreter would run it.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from registry import errors
from registry.cli import options, output, pull, push
from registry.cli.exported import Asked, in_child
from registry.core import fields, names
from registry.core.canonical import Json

app = typer.Typer()

Source = Annotated[
    str,
    typer.Argument(
        help="A file (.keras, .pt2, .onnx, …), a folder, or module:function that gives the model, "
        "or the model and an example.",
        metavar="SOURCE",
    ),
]
Folder = Annotated[Path, typer.Argument(help="A folder that is not there yet, or is empty.")]
To = Annotated[str, typer.Option("--to", help="onnx, saved_model, torchscript or tflite.")]
Example = Annotated[
    Path | None,
    typer.Option(help="An .npy, or an .npz with an array for each input: golden inputs."),
]
Called = Annotated[str, typer.Option("--name", help="The model's name, for its card.")]
Absolute = Annotated[float, typer.Option(min=0, help="How far a number may be off, at most…")]
Relative = Annotated[float, typer.Option(min=0, help="…plus this share of it.")]
Trusts = Annotated[
    bool, typer.Option("--trust-pickle", help="Load a pickle that you made yourself; shut in.")
]
Fixed = Annotated[
    bool, typer.Option("--fixed-batch", help="Only as many samples at once as the example has.")
]
Publish = Annotated[
    str, typer.Option(help="Publish what was made as the next version of this model.")
]


@app.command("export")
def export_command(  # noqa: PLR0913, PLR0917  the options of a command
    source: Source,
    folder: Folder,
    to: To = "onnx",
    example: Example = None,
    name: Called = "model",
    absolute: Absolute = 1e-4,
    relative: Relative = 1e-3,
    trust_pickle: Trusts = False,  # noqa: FBT002  a flag
    fixed_batch: Fixed = False,  # noqa: FBT002
    publish: Publish = "",
    key: push.Key = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Write a trainer's model as ONNX, SavedModel, TorchScript or LiteRT; differences are told."""
    asked = Asked(to, names.slug(publish or name), example, absolute, relative,
                  trusts_pickle=trust_pickle, batched=not fixed_batch)  # fmt: skip
    report = _code(source, folder, asked) if _is_code(source) else in_child(
        Path(source), folder, asked)  # fmt: skip
    access = options.Access(server, token_file)
    _finish(report, folder, form, _published(publish, "", folder, key, access))


@app.command("convert")
def convert_command(  # noqa: PLR0913, PLR0917  the options of a command
    source: Annotated[
        str,
        typer.Argument(
            help="A model's file or folder, or NAME@VERSION or NAME:ALIAS of the registry.",
            metavar="SOURCE",
        ),
    ],
    to: Annotated[
        str, typer.Argument(help="onnx, saved_model, torchscript or tflite.", metavar="FORMAT")
    ],
    folder: Folder,
    example: Example = None,
    absolute: Absolute = 1e-4,
    relative: Relative = 1e-3,
    publish: Publish = "",
    key: push.Key = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Make a model of one format into another. Published, it says what it was converted from."""
    access = options.Access(server, token_file)
    with _files(source, trust, access) as (path, parent):
        asked = Asked(to, names.slug(publish or "model"), example, absolute, relative)
        report = in_child(path, folder, asked)
    _finish(report, folder, form, _published(publish, parent, folder, key, access))


@contextmanager
def _files(source: str, trust: Path | None, access: options.Access) -> Iterator[tuple[Path, str]]:
    """The model's files, and the version that they are; pulled and verified where it is one."""
    if Path(source).exists():
        yield Path(source), ""
        return
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "pulled"
        parent = pull.fetch(source, folder, trust, access)
        yield folder, parent


def _is_code(source: str) -> bool:
    return ":" in source and not Path(source).exists()


def _code(source: str, folder: Path, asked: Asked) -> dict[str, Json]:
    """`module:function` of the folder one is in, or of what is installed."""
    import os  # noqa: PLC0415

    from registry.making import exporting  # noqa: PLC0415  heavy
    from registry.making.exporting import job, report  # noqa: PLC0415

    module, _, function = source.partition(":")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise errors.InvalidInput(
            f"{source}: {error}", fix="name a function as module:function, such as train:model"
        ) from error
    model, example = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    if asked.example is not None:
        example = job.example(str(asked.example))
    made = exporting.export(
        model, folder, to=asked.to, example=example, name=asked.name, batched=asked.batched,
        tolerance=report.Tolerance(asked.absolute, asked.relative),
    )  # fmt: skip
    return made.document()


def _published(
    model: str, parent: str, folder: Path, key: Path | None, access: options.Access
) -> dict[str, Json] | None:
    """The new version's document, with the edge to what it was converted from."""
    if not model:
        return None
    from registry.making.exporting import exports  # noqa: PLC0415  heavy

    edges = [f"converted:{parent}"] if parent else []
    return push.folder(
        names.slug(model), folder / exports.MODEL, key=key, access=access, parents=edges,
        card=folder / "card.md", tensors=folder / "tensors.json",
    )  # fmt: skip


def _finish(
    report: dict[str, Json], folder: Path, form: output.Form, published: dict[str, Json] | None
) -> None:
    if form.is_data:
        output.print_document(form, report | ({"published": published} if published else {}))
        return
    parity = fields.mapping(report, "parity", what="report")
    rows = []
    for kind in sorted(parity):
        outputs = fields.mapping(fields.mapping(parity, kind, what="parity"), "outputs", what=kind)
        for name in outputs:
            one = fields.mapping(outputs, name, what="output")
            shown = ("maxAbsolute", "maxRelative", "cosine", "argmaxAgreement")
            rows.append((kind, name, *(one.get(title) for title in shown)))
    titles = ("inputs", "output", "max difference", "relative", "cosine", "same highest")
    output.print_table(titles, rows)
    output.message(f"{report.get('from')} is {report.get('to')} in {folder}")
    if published:
        typer.echo(f"{published['model']} {published['version']} {published['digest']}")
