"""`plimsoll watermark detect`, and what belongs to it: reports, marks, keys for auditors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import options, output, progress, statements, watermark
from registry.core import canonical, fields, names
from registry.core.canonical import Json

if TYPE_CHECKING:
    from registry.core.watermark.report import Report

app = watermark.app

Model = Annotated[str, typer.Argument(help="The model's name.", metavar="MODEL")]
Version = Annotated[int, typer.Argument(min=1, help="The version's number.", metavar="VERSION")]
Suspect = Annotated[Path, typer.Argument(help="A model's folder, or its one file.")]
Against = Annotated[
    str, typer.Option(help="Compare with this model's versions only: fewer comparisons.")
]
Key = Annotated[
    Path | None,
    typer.Option(help="An auditor's key: look for its one recipient, here, without a registry."),
]
Original = Annotated[
    Path | None,
    typer.Option(help="With --key: the publisher's original, which finds far weaker marks."),
]
Plot = Annotated[Path | None, typer.Option(help="Write the scores as a drawing (SVG) here.")]
Format = Annotated[
    str | None, typer.Option("--format", help="The suspect's format; without it, found out.")
]


@watermark.watermark_app.command()
def detect(  # noqa: PLR0913, PLR0917  the options of a command
    suspect: Suspect,
    against: Against = "",
    out: Annotated[Path | None, typer.Option(help="Write the signed report here.")] = None,
    plot: Plot = None,
    key: Key = None,
    original: Original = None,
    model_format: Format = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Find whose copy a model is. The suspect is read in a sandbox and never loaded."""
    from registry.cli import watermark_saying  # noqa: PLC0415  heavy

    if key is not None:
        _require_local(against, out)
        from registry.cli import watermark_offline  # noqa: PLC0415  heavy

        report = watermark_offline.detect(suspect, key, original, model_format, trust)
        _drawn(report, plot)
        watermark_saying.report(report, form, signer="")
        return
    if original is not None:
        raise errors.InvalidInput("--original goes with --key", fix="the registry has its own")
    asked: dict[str, Json] = {
        "format": model_format,
        "against": names.slug(against) if against else "",
    }
    access = options.Access(server, token_file)
    bundle = _asked(suspect, asked, access)
    _written(out, bundle)
    signer, report = _read(bundle, trust)
    _drawn(report, plot)
    watermark_saying.report(report, form, signer=signer)
    if out is None:
        output.message("the registry keeps no report: name a file with --out to have it")


@watermark.watermark_app.command("verify-report")
def verify_report(
    file: Annotated[Path, typer.Argument(help="A report that `detect --out` wrote.")],
    trust: options.Trust = None,
    plot: Plot = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Check a report's signature, and that its verdict follows from its numbers."""
    from registry.cli import watermark_saying  # noqa: PLC0415  heavy

    bundle = canonical.decode_object(statements.read(file), what=str(file))
    options.trust_root(trust)
    signer, report = _read(bundle, trust)
    _drawn(report, plot)
    watermark_saying.report(report, form, signer=signer)


@watermark.watermark_app.command()
def show(
    model: Model,
    version: Version,
    variant: options.Variant = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """The marks of a version: how strong, by which key, and for whom copies were made."""
    from registry.cli import watermark_saying  # noqa: PLC0415  heavy

    with options.connect(server, token_file) as client:
        found = client.document("GET", _path(model, version))
    marks = fields.objects(found, "marks", what="watermark document")
    wanted = [one for one in marks if variant in {None, one.get("variant")}]
    if not wanted:
        raise errors.NotFound(
            f"{model} version {version} has no mark in its variant {variant}"
            if marks
            else f"{model} version {version} is not marked",
            fix="publish with `plimsoll push --watermark` to mark a version",
        )
    if form.is_data:
        output.print_document(form, {"marks": wanted})
    else:
        watermark_saying.marks(wanted)


@watermark.watermark_app.command("key")
def auditor_key(  # noqa: PLR0913, PLR0917  the options of a command
    model: Model,
    version: Version,
    recipient: Annotated[str, typer.Argument(help="A host that has a copy, or `owner`.")],
    out: Annotated[Path, typer.Option(help="Where the key goes; mode 0600.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    variant: options.Variant = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Give an auditor the key of one recipient's copy, which reveals no other. It is logged."""
    if out.exists():
        raise _is_there(out)
    body: dict[str, Json] = {"recipient": recipient, "variant": variant or "", "reason": reason}
    with options.connect(server, token_file) as client:
        found = client.document(
            "POST", f"{_path(model, version)}/keys", canonical.encode(body), is_repeatable=False
        )
    bundle = fields.mapping(found, "key", what="auditor's key")
    _kept(out, canonical.encode(bundle))
    entry = fields.integer(found, "logIndex", what="auditor's key")
    typer.echo(f"{out}: the key of {recipient}'s copy of {model}@{version}, entry {entry}")
    output.message("whoever has it can also remove this mark: send it as a secret")


def _asked(suspect: Path, asked: dict[str, Json], access: options.Access) -> dict[str, Json]:
    """Upload what the registry does not have, and let it look."""
    from registry.cli import uploading, watermark_saying  # noqa: PLC0415  heavy

    places = uploading.collect(suspect)
    total = sum(place.stat().st_size for place in places.values())
    with options.connect(access.server, access.token_file) as client:
        with progress.of_bytes("hashing, uploading", total, passes=2) as advance:
            files = uploading.bring(client, places, advance).files
        listed: list[Json] = [{"path": f.path, "digest": f.digest, "size": f.size} for f in files]
        client.wire.patience_s = watermark_saying.PATIENCE_S
        found = client.document(
            "POST", "/v1/watermark/detections", canonical.encode(asked | {"files": listed})
        )
    return fields.mapping(found, "report", what="answer to a detection")


def _read(bundle: dict[str, Json], trust: Path | None) -> tuple[str, "Report"]:
    """Who signed the report, empty where nothing says whom to trust; and what it says."""
    from registry.core.watermark import report  # noqa: PLC0415  heavy

    if trust is None:
        return "", report.unverified(bundle)
    root = options.trust_root(trust)
    return root.registry.name, report.verify(bundle, root.registry, *root.former)


def _written(out: Path | None, bundle: dict[str, Json]) -> None:
    from registry.cli import watermark_saying  # noqa: PLC0415  heavy

    if out is not None:
        watermark_saying.write(out, canonical.encode(bundle) + b"\n")


def _drawn(report: "Report", plot: Path | None) -> None:
    from registry.cli import watermark_saying  # noqa: PLC0415  heavy
    from registry.core.watermark import plot as drawing  # noqa: PLC0415  heavy

    if plot is not None:
        watermark_saying.write(plot, drawing.draw(report).encode())


def _kept(out: Path, content: bytes) -> None:
    from registry.trust import keys  # noqa: PLC0415  heavy

    try:
        keys.write_new(out, content)
    except FileExistsError:
        raise _is_there(out) from None
    except OSError as error:
        raise errors.InvalidConfig(
            f"{out}: cannot be written: {error.strerror}", fix="name another file"
        ) from error


def _is_there(out: Path) -> errors.Conflict:
    return errors.Conflict(f"{out}: a file is there already", fix="name another file")


def _require_local(against: str, out: Path | None) -> None:
    if against or out is not None:
        raise errors.InvalidInput(
            "--against and --out are for a registry, and --key looks without one",
            fix="leave them out: what is found with a key alone is signed by nobody",
        )


def _path(model: str, version: int) -> str:
    return f"/v1/models/{names.slug(model)}/versions/{version}/watermark"
