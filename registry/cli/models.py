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
    form: output.Output = output.Form.TABLE,
) -> None:
    """All models."""
    with options.connect(server, token_file) as client:
        found = client.models()
    if form is output.Form.JSON:
        output.print_json(found)
        return
    output.print_table(
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
    if form is output.Form.JSON:
        output.print_json(document)
    elif names_a_version:
        _print_version(document)
    else:
        _print_model(document)


@model_app.command()
def verify(
    reference: Reference,
    digest: Annotated[
        str | None, typer.Option(help="The digest that it must have, sha256:…")
    ] = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Check signatures, the log's proof and every stored byte of a version."""
    root = options.trust_root(trust)
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        verified = verifying.version(client, root, model=model, version=version, pinned=digest)
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
    if form is output.Form.JSON:
        output.print_json(result)
    else:
        output.print_fields(result.items())


def _overview(document: dict[str, Json]) -> tuple[object, ...]:
    versions = _objects(document, "versions")
    newest = max(versions, key=lambda item: int(str(item.get("version"))), default={})
    aliases = _mapping(document, "aliases")
    return (
        document.get("name"),
        len(versions),
        newest.get("version"),
        newest.get("format"),
        ", ".join(f"{alias}={number}" for alias, number in sorted(aliases.items())),
        newest.get("createdAt"),
    )


def _print_model(document: dict[str, Json]) -> None:
    rows = [
        (item.get("version"), item.get("format"), item.get("size"), item.get("publisher"),
         item.get("createdAt"), item.get("digest"))
        for item in _objects(document, "versions")
    ]  # fmt: skip
    output.print_table(("version", "format", "bytes", "publisher", "created", "digest"), rows)
    for alias, number in sorted(_mapping(document, "aliases").items()):
        typer.echo(f"{document.get('name')}:{alias} is version {number}")


def _print_version(document: dict[str, Json]) -> None:
    simple = ("model", "version", "digest", "format", "size", "publisher", "createdAt", "logIndex")
    lines = [(name, document.get(name)) for name in simple]
    signature = _mapping(document, "signature")
    lines += [("input", output.shape(tensor)) for tensor in _objects(signature, "inputs")]
    lines += [("output", output.shape(tensor)) for tensor in _objects(signature, "outputs")]
    for name, value in sorted(_mapping(document, "metadata").items()):
        if isinstance(value, dict):
            lines += [(f"{name}.{inner}", item) for inner, item in sorted(value.items())]
        else:
            lines.append((name, value))
    output.print_fields(lines)
    typer.echo()
    rows = [
        (item.get("path"), item.get("size"), item.get("digest"))
        for item in _objects(document, "files")
    ]
    output.print_table(("file", "bytes", "digest"), rows)


def _objects(document: dict[str, Json], name: str) -> list[dict[str, Json]]:
    found = document.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _mapping(document: dict[str, Json], name: str) -> dict[str, Json]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
