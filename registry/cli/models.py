"""`plimsoll model`: what is there, what it looks like, and whether it is what it claims to be."""

from typing import Annotated

import typer

from registry.cli import options, output, verifying
from registry.core import names
from registry.core.canonical import Json

app = typer.Typer()
model_app = typer.Typer(no_args_is_help=True, help="Models and their versions.")
app.add_typer(model_app, name="model")

Reference = Annotated[str, typer.Argument(help="NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")]


@model_app.command("list")
def list_models(
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """All models."""
    with options.connect(server, token_file) as client:
        found = client.models()
    if form.is_data:
        output.print_document(form, found)
        return
    output.print_listing(
        form,
        ("model", "versions", "newest", "format", "aliases", "created"),
        [_overview(document) for document in found],
    )


@model_app.command()
def show(
    reference: Annotated[
        str, typer.Argument(help="NAME, NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")
    ],
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """One model with its versions, or one version with its files, inputs and outputs."""
    names_a_version = "@" in reference or ":" in reference
    with options.connect(server, token_file) as client:
        if names_a_version:
            document = client.version(*options.reference(client, reference))
        else:
            document = client.model(names.slug(reference))
    if form.is_data:
        output.print_document(form, document)
    elif names_a_version:
        _print_version(document)
    else:
        _print_model(document)


@model_app.command()
def verify(  # noqa: PLR0913, PLR0917  the options of a command
    reference: Reference,
    digest: Annotated[
        str | None, typer.Option(help="The digest that it must have, sha256:…")
    ] = None,
    variant: options.Variant = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Check signatures, the log's proof and every stored byte of a version."""
    root = options.current_trust_root(trust)
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        verified = verifying.version(
            client, root, model=model, version=version, pinned=digest, variant=variant
        )
        total = verifying.blobs(client, verified)
    result = {
        "model": model,
        "version": version,
        "digest": verified.wanted.digest,
        "publisher": verified.publisher,
        "logIndex": verified.log_index,
        "logSize": verified.checkpoint.size,
        "files": len(verified.files),
        "bytes": total,
        "verdict": "verified",
    }
    if form.is_data:
        output.print_document(form, result)
    else:
        output.print_fields(result.items())


def _overview(document: dict[str, Json]) -> tuple[object, ...]:
    newest, aliases = mapping(document, "newest"), mapping(document, "aliases")
    return (
        document.get("name"),
        document.get("versionCount"),
        newest.get("version"),
        newest.get("format"),
        ", ".join(f"{alias}={number}" for alias, number in sorted(aliases.items())),
        newest.get("createdAt"),
    )


def _print_model(document: dict[str, Json]) -> None:
    known = ("displayName", "owner", "description")
    output.print_fields([(name, document.get(name)) for name in known if document.get(name)])
    rows = [
        (item.get("version"), item.get("status"), variants(item), item.get("size"),
         item.get("publisher"), item.get("createdAt"), item.get("digest"))
        for item in objects(document, "versions")
    ]  # fmt: skip
    titles = ("version", "state", "variants", "bytes", "publisher", "created", "digest")
    output.print_table(titles, rows)
    for alias, number in sorted(mapping(document, "aliases").items()):
        typer.echo(f"{document.get('name')}:{alias} is version {number}")
    if document.get("nextPageToken"):
        shown, total = len(rows), document.get("versionCount")
        search = f"plimsoll model search \"name = '{document.get('name')}'\""
        output.message(f"the newest {shown} of {total}; {search} finds the others")


def _print_version(document: dict[str, Json]) -> None:
    simple = ("model", "version", "status", "statusMessage", "digest", "format", "size",
              "publisher", "createdAt", "logIndex")  # fmt: skip
    lines = [(name, document.get(name)) for name in simple if name != "statusMessage"]
    if document.get("statusMessage"):
        lines.append(("reason", document.get("statusMessage")))
    signature = mapping(document, "signature")
    lines += [("input", output.shape(tensor)) for tensor in objects(signature, "inputs")]
    lines += [("output", output.shape(tensor)) for tensor in objects(signature, "outputs")]
    lines += _mark(mapping(document, "watermark"))
    lines += _said(mapping(document, "metadata"))
    output.print_fields(lines)
    for variant in objects(document, "variants"):
        typer.echo()
        typer.echo(f"variant {variant.get('name')}  {variant.get('digest')}")
        rows = [
            (item.get("path"), item.get("size"), item.get("digest"))
            for item in objects(variant, "files")
        ]
        output.print_table(("file", "bytes", "digest"), rows)


def _mark(shown: dict[str, Json]) -> list[tuple[str, Json]]:
    """The owner's watermark in a few words; nothing without one."""
    if not shown:
        return []
    strength = f"{shown.get('scheme')} in {shown.get('weights')} weights, expected z "
    trial = mapping(shown, "trial")
    outputs = {name: mapping(mapping(trial, "outputs"), name) for name in mapping(trial, "outputs")}
    tried: list[tuple[str, Json]] = [
        ("watermark.output", f"{name} changed by {apart.get('relative')} of its size")
        for name, apart in outputs.items()
    ]
    if not trial.get("executed"):
        tried = [("watermark.trial", f"not run: {trial.get('why')}")]
    return [
        ("watermark", f"{strength}{shown.get('predictedZ')}"),
        ("watermark.commitment", shown.get("commitment")),
        ("watermark.logIndex", shown.get("logIndex")),
        *tried,
    ]


def _said(metadata: dict[str, Json]) -> list[tuple[str, Json]]:
    """What the publisher said, a line for each thing; what was not said is left out."""
    lines: list[tuple[str, Json]] = []
    for name, value in metadata.items():
        if isinstance(value, dict):
            lines += [(f"{name}.{inner}", item) for inner, item in sorted(value.items())]
        elif isinstance(value, list):
            lines += [(name, _line(item)) for item in value]
        elif value:
            lines.append((name, value))
    return lines


def _line(item: Json) -> str:
    """A data set or a parent in one line."""
    if not isinstance(item, dict):
        return str(item)
    if "relation" in item:
        named = f"{item.get('model')}@{item.get('version')}" if item.get("model") else ""
        return f"{item.get('relation')} from {named or item.get('reference')}"
    return " ".join(str(value) for value in item.values() if value)


def variants(document: dict[str, Json]) -> str:
    """The names of a version's variants."""
    return ", ".join(str(item.get("name")) for item in objects(document, "variants"))


def objects(document: dict[str, Json], name: str) -> list[dict[str, Json]]:
    """The objects in the list called `name`, if it is one."""
    found = document.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def mapping(document: dict[str, Json], name: str) -> dict[str, Json]:
    """The object called `name`, if it is one."""
    found = document.get(name)
    return found if isinstance(found, dict) else {}
