"""`plimsoll optimise`: runs a recipe, writes what came of it, and publishes it where asked."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import optimising_publication, optimising_remote, options, output, progress
from registry.core.canonical import Json

if TYPE_CHECKING:
    from registry.core.recipes.kinds import OptimisationRecipe
    from registry.making.optimising.runs import Done, Given

app = typer.Typer()

Recipe = Annotated[Path, typer.Argument(help="A recipe: NAME.yaml of kind OptimisationRecipe.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="A new folder for the model, its report and its plot."),
]
Work = Annotated[
    Path | None,
    typer.Option(help="Where steps are kept, to go on there; without it, OUT.work beside OUT."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan, and do nothing.")]
Publish = Annotated[str, typer.Option(help="Publish the result as the next version of this model.")]
Key = Annotated[
    Path | None, typer.Option(envvar="PLIMSOLL_KEY", help="With --publish: who signs it.")
]
EvidenceKey = Annotated[
    Path | None,
    typer.Option(help="With --publish: a tester's key, which makes the numbers signed evidence."),
]
Parent = Annotated[
    str,
    typer.Option(help="With --publish: MODEL@VERSION that a recipe's own file is, for lineage."),
]
MarkKey = Annotated[
    Path | None,
    typer.Option("--watermark-key", help="An auditor's key: how strong is the mark, before and "
                 "after?"),
]  # fmt: skip
Original = Annotated[
    Path | None, typer.Option(help="With --watermark-key: the publisher's unmarked original.")
]


Remote = Annotated[
    bool,
    typer.Option("--remote", help="Have the registry run it. What it is doing is shown; stopped "
                 "here, it goes on there, and the same command finds it again."),
]  # fmt: skip
Withdraw = Annotated[
    bool, typer.Option("--withdraw", help="With --remote: have the registry forget it.")
]


@dataclass(frozen=True, slots=True)
class _Marked:
    """By which key a watermark is looked for."""

    key: Path | None
    original: Path | None
    trust: Path | None


@app.command()
def optimise(  # noqa: PLR0913, PLR0917  the options of a command
    recipe: Recipe,
    out: Out = None,
    work: Work = None,
    dry_run: DryRun = False,  # noqa: FBT002  a flag of the command
    publish: Publish = "",
    key: Key = None,
    evidence_key: EvidenceKey = None,
    derived_from: Parent = "",
    remote: Remote = False,  # noqa: FBT002  a flag of the command
    withdraw: Withdraw = False,  # noqa: FBT002  a flag of the command
    watermark_key: MarkKey = None,
    original: Original = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Make a model smaller and faster by a recipe, and measure what that costs.

    What was made before is not made again. Ends with 3 where nothing holds the constraints.
    """
    read = _read(recipe)
    if dry_run:
        _print_plan(read)
        return
    access = options.Access(server, token_file)
    if withdraw:
        optimising_remote.withdraw(read, recipe, access)
        return
    target, marked = _new_folder(out), _Marked(watermark_key, original, trust)
    wanted = optimising_publication.wanted(publish, (key, evidence_key), derived_from, read)
    if remote:
        found = optimising_remote.run(read, recipe, target, access)
    else:
        found = _run(read, recipe, (work, target), access, marked)
    _show(found, target, form)
    _require_best(found, recipe, target)
    found |= optimising_publication.publish((read, found), wanted, target, access)
    if form.is_data:
        output.print_document(form, found)


def _print_plan(read: "OptimisationRecipe") -> None:
    from registry.core.recipes import planning  # noqa: PLC0415  heavy

    for line in planning.lines(read, planning.plan(read.spec)):
        typer.echo(output.plain(line))


def _require_best(found: dict[str, Json], recipe: Path, target: Path) -> None:
    if found.get("best") is None:
        raise errors.PolicyDenied(
            f"nothing that was made holds the constraints of {recipe}",
            fix=f"see {target / 'report.md'} for what each breaks",
        )


def _run(
    read: "OptimisationRecipe", recipe: Path, places: tuple[Path | None, Path],
    access: options.Access,
    marked: _Marked,
) -> dict[str, Json]:  # fmt: skip
    """The report, once it and the model are in the target, which is the second of `places`."""
    from registry.making.optimising import runs  # noqa: PLC0415  heavy

    target = places[1]
    work = places[0] or target.with_name(f"{target.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="model-", dir=work) as fetched:
        given = _given(read, recipe, Path(fetched), access, marked.trust)
        with progress.of_phases() as told:
            done = runs.run(given, work, progress=told, mark_of=_mark_of(marked))
    return _write(done, target)


def _read(path: Path) -> "OptimisationRecipe":
    from registry.core.recipes import planning  # noqa: PLC0415  heavy

    try:
        data = path.read_bytes()
    except OSError as error:
        raise errors.InvalidInput(f"{path}: cannot be read: {error.strerror}") from error
    return planning.read(str(path), data)


def _new_folder(out: Path | None) -> Path:
    if out is None:
        raise errors.InvalidInput(
            "nothing says where the result goes", fix="name a new folder with --out, or --dry-run"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise errors.Conflict(f"{out} is there already and not empty", fix="name a new folder")
    return out.absolute()


def _given(
    read: "OptimisationRecipe", recipe: Path, fetched: Path, access: options.Access,
    trust: Path | None,
) -> "Given":  # fmt: skip
    """The recipe's model, beside it or from the registry, verified there and inspected here."""
    from registry.cli import pull, uploading  # noqa: PLC0415  heavy
    from registry.making.optimising import runs, sources  # noqa: PLC0415

    source, folder = read.spec.model, recipe.absolute().parent
    if source.path is not None:
        place, origin = folder / source.path, source.path
        if not place.exists():
            raise errors.InvalidInput(
                f"spec.model.path: {place} is not there", fix="a path begins at the recipe's folder"
            )
    else:
        place, origin = fetched / "model", f"{source.name}@{source.version}"
        pull.fetch(origin, place, trust, access, source.digest)
    head = sources.inspected(uploading.collect(place))
    return runs.Given(read, folder, head, origin)


def _mark_of(marked: _Marked) -> Callable[[Path], float | None] | None:
    """How the mark is looked for, where there is a key for it."""
    key = marked.key
    if key is None:
        return None
    from registry.cli import watermark_offline  # noqa: PLC0415  heavy

    def looked(path: Path) -> float | None:
        try:
            report = watermark_offline.detect(path, key, marked.original, None, marked.trust)
        except errors.InvalidInput:  # no weights that could carry a mark are left
            return None
        scores = [score.z for one in report.candidates for score in one.scores]
        return max(scores, default=None)

    return looked


def _write(done: "Done", target: Path) -> dict[str, Json]:
    """Beside the folder first: it appears whole. Gives the report."""
    from registry.core import canonical  # noqa: PLC0415
    from registry.core.recipes import plot, report  # noqa: PLC0415  heavy

    document = report.document(done.run)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        (unfinished / "report.json").write_bytes(canonical.encode(document))
        (unfinished / "report.md").write_text(report.page(done.run), encoding="utf-8")
        (unfinished / "pareto.svg").write_text(plot.draw(done.run), encoding="utf-8")
        if done.best is not None:
            (unfinished / "model").mkdir()
            shutil.copyfile(done.best, unfinished / "model" / "model.onnx")
        unfinished.chmod(0o755)
        unfinished.replace(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return document


def _show(found: dict[str, Json], target: Path, form: output.Form) -> None:
    """Columns for people, now; programs get the document at the end."""
    from registry.core import fields  # noqa: PLC0415
    from registry.core.recipes import report  # noqa: PLC0415  heavy

    if form.is_data:
        return
    output.print_table(("made", "accuracy", "lost", "latency", "size", ""), report.lines(found))
    for failure in fields.objects(found, "failed", what="report"):
        said = output.plain(f"{failure.get('name')}: {failure.get('reason')}")
        output.message(f"not made: {said}")
    output.message(f"written: {target}")
