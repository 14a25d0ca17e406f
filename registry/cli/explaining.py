"""`plimsoll model explain`: what a version answers by, measured, and signed if a key is given."""

import re
import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import models, options, output, pull, statements
from registry.core import digest, evidence_documents, explanation, fields
from registry.core.canonical import Json
from registry.core.envelope import Wanted

if TYPE_CHECKING:
    from registry.core.explanation import Explanation

app = models.app
_SHOWN = 10
_BUDGET = 120
# What the child may take beyond the budget: to load the model, and for the last rows.
_GRACE = 300.0


class Method(StrEnum):
    """How the importance of a feature is measured."""

    PERMUTATION = "permutation"
    KERNEL_SHAP = "kernel_shap"


@dataclass(frozen=True, slots=True)
class Wish:
    """By which samples a version is to be measured, and how; `picture` is height and width."""

    inputs: Path
    label: str = ""
    method: Method = Method.PERMUTATION
    of: str = ""
    picture: list[Json] | None = None
    names: list[Json] = field(default_factory=list)
    seed: int = 0
    budget: int = _BUDGET


Reference = Annotated[str, typer.Argument(help="NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")]
Inputs = Annotated[
    Path, typer.Option(help="An .npz: an array for each input of the model, samples first.")
]
Label = Annotated[str, typer.Option(help="The array of right answers in it: classes from 0 on.")]
Weighed = Annotated[Method, typer.Option(help="How features are weighed.")]
Of = Annotated[str, typer.Option("--of", help="The output that is the score; else the usual one.")]
Sides = Annotated[
    str, typer.Option(help="HEIGHTxWIDTH of an input that is a picture in a row of numbers.")
]
Names = Annotated[Path | None, typer.Option(help="A file with the features' names, one a line.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws what is drawn.")]
Budget = Annotated[int, typer.Option(min=1, max=86400, help="Seconds that it may take.")]
Key = Annotated[
    Path | None,
    typer.Option(help="A tester's or publisher's key: signs it, and adds it as evidence."),
]


@models.model_app.command()
def explain(  # noqa: PLR0913, PLR0917  the options of a command
    reference: Reference,
    inputs: Inputs,
    label: Label = "",
    method: Weighed = Method.PERMUTATION,
    of: Of = "",
    picture: Sides = "",
    names: Names = None,
    seed: Seed = 0,
    budget: Budget = _BUDGET,
    key: Key = None,
    variant: options.Variant = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Measure which features a version answers by, and which parts of pictures speak for a class.

    The version is verified first, and loaded by a process that is shut in.
    """
    wish = Wish(inputs, label, method, of, sides(picture), _names(names), seed, budget)
    access = options.Access(server, token_file)
    about, said = measured(reference, wish, access, trust=trust, variant=variant)
    found = explanation.parse(said)
    filed = None if key is None else file(about, found, key, access)
    if form.is_data:
        output.print_document(form, said | ({"evidence": filed} if filed else {}))
        return
    _show(found)
    if filed:
        statements.told(filed)


def measured(
    reference: str,
    wish: Wish,
    access: options.Access,
    *,
    trust: Path | None = None,
    variant: str | None = None,
) -> tuple[Wanted, dict[str, Json]]:
    """Pull the version, verify it, and measure it: what it is, and the explanation's predicate."""
    data = statements.read(wish.inputs)
    request: dict[str, Json] = {
        "job": "explain", "data": str(wish.inputs.absolute()), "digest": digest.of(data),
        "label": wish.label or None, "method": str(wish.method), "output": wish.of,
        "picture": wish.picture, "names": wish.names, "seed": wish.seed, "budget": wish.budget,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "pulled"
        model, version, pinned = pull.fetched(reference, folder, trust, access, variant=variant)
        said = _in_child(request, folder, Path(work), wish.budget)
    return Wanted(model, int(version), pinned), said


def _in_child(request: dict[str, Json], folder: Path, work: Path, budget: int) -> dict[str, Json]:
    from registry.making import child  # noqa: PLC0415  heavy

    (work / "scratch").mkdir()
    readable: list[Json] = [str(folder), str(request["data"])]
    done = child.run(
        request | {"source": str(folder), "readable": readable, "writable": str(work / "scratch")},
        work / "scratch",
        seconds=budget + _GRACE,
    )
    return fields.mapping(done, "explanation", what="answer")


def file(about: Wanted, found: "Explanation", key: Path, access: options.Access) -> dict[str, Json]:
    """Sign the explanation and add it to the version's evidence; gives what the registry has."""
    payload = evidence_documents.explained(about, found, at=statements.now())
    bundle = statements.signed(payload, key)
    with options.connect(access.server, access.token_file) as client:
        return statements.add(client, about.model, about.version, bundle)


def _show(found: "Explanation") -> None:
    rows = [(one.name, one.value, one.error) for one in found.features[:_SHOWN]]
    output.print_table(("feature", found.unit, "±"), rows)
    if found.count > _SHOWN:
        output.message(f"the first {len(rows)} of {found.count} features")
    if found.pictures:
        sides = f"{found.pictures.rows} × {found.pictures.columns}"
        output.message(f"pictures of {len(found.pictures.classes)} classes, {sides} cells each")
    if not found.finished:
        output.message("the time was over first: give it more with --budget")


def sides(text: str) -> list[Json] | None:
    """Of a picture in a row of numbers, None where none is named; raises `InvalidInput`."""
    if not text:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise errors.InvalidInput(
            f"--picture {text[:40]!r} is not HEIGHTxWIDTH", fix="write it as 28x28"
        )
    return [int(found[1]), int(found[2])]


def _names(path: Path | None) -> list[Json]:
    if path is None:
        return []
    try:
        return [
            line.strip() for line in statements.read(path).decode().splitlines() if line.strip()
        ]
    except UnicodeDecodeError as error:
        raise errors.InvalidInput(f"{path} is no text in UTF-8") from error
