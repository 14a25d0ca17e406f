"""`plimsoll model tag | edit | card | lineage | compare`: what is said of versions."""

from collections.abc import Mapping
from typing import Annotated

import typer

from registry import errors
from registry.cli import models, options, output
from registry.core.canonical import Json

app = models.app

Reference = Annotated[str, typer.Argument(help="NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")]


@models.model_app.command()
def tag(
    reference: Reference,
    changes: Annotated[
        list[str], typer.Argument(help="KEY=VALUE sets a tag, KEY- removes it.", metavar="CHANGE…")
    ],
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Set and remove tags of a version; each change is in the log."""
    edit: dict[str, Json] = {"tags": dict(_change(text) for text in changes)}
    with options.connect(server, token_file) as client:
        document = client.change_version(*options.reference(client, reference), edit)
    tags = _mapping(_mapping(document, "metadata"), "tags")
    if form.is_data:
        output.print_document(form, tags)
    else:
        output.print_table(("tag", "value"), sorted(tags.items()))


@models.model_app.command()
def edit(
    reference: Annotated[
        str, typer.Argument(help="NAME, NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")
    ],
    description: Annotated[str | None, typer.Option(help="What it is, in a sentence.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for it.")] = None,
    display_name: Annotated[
        str | None, typer.Option(help="What people call the model (NAME alone).")
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Change description, owner or display name; files and results never change."""
    asked = {"description": description, "owner": owner, "displayName": display_name}
    wanted: dict[str, Json] = {name: text for name, text in asked.items() if text is not None}
    if not wanted:
        raise errors.InvalidInput(
            "nothing to change", fix="give --description, --owner or --display-name"
        )
    with options.connect(server, token_file) as client:
        if "@" in reference or ":" in reference:
            client.change_version(*options.reference(client, reference), wanted)
        else:
            client.change_model(reference, wanted)
    output.message(f"{reference}: {', '.join(wanted)} changed")


@models.model_app.command()
def card(
    reference: Reference,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Print a version's model card."""
    with options.connect(server, token_file) as client:
        text = client.card(*options.reference(client, reference))
    if not text:
        raise errors.NotFound(
            f"{reference} has no model card", fix="give one with plimsoll push --card README.md"
        )
    for line in text.splitlines():
        typer.echo(output.plain(line))


@models.model_app.command()
def lineage(
    reference: Reference,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """What a version was made of, down to data set and commit, and what was made of it."""
    with options.connect(server, token_file) as client:
        document = client.lineage(*options.reference(client, reference))
    if form.is_data:
        output.print_document(form, document)
        return
    edges = models.objects(document, "edges")
    output.print_table(
        ("version", "was", "from"),
        [(edge.get("child"), edge.get("relation"), edge.get("parent")) for edge in edges],
    )
    subject = _mapping(document, "subject")
    typer.echo()
    output.print_table(
        ("version", "commit", "training code", "data sets"),
        [_origin(one) for one in (subject, *models.objects(document, "versions"))],
    )
    if document.get("isCut"):
        output.message("there is more: follow the first and the last")


@models.model_app.command()
def compare(
    first: Reference,
    second: Reference,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Where two versions differ: results, settings, tags, data, tensors, files."""
    with options.connect(server, token_file) as client:
        documents = [
            client.version(*options.reference(client, reference)) for reference in (first, second)
        ]
    left, right = (_flat(document) for document in documents)
    differing = [
        (name, left.get(name), right.get(name))
        for name in dict.fromkeys((*left, *right))
        if left.get(name) != right.get(name)
    ]
    if form.is_data:
        output.print_document(
            form, [{"field": name, first: a, second: b} for name, a, b in differing]
        )
    elif differing:
        output.print_table(("field", first, second), differing)
    else:
        output.message(f"{first} and {second} do not differ")


def _change(text: str) -> tuple[str, Json]:
    name, equals, value = text.partition("=")
    if equals and name:
        return name, value
    if text.endswith("-") and len(text) > 1:
        return text[:-1], None
    raise errors.InvalidInput(
        f"{text[:80]!r} is neither KEY=VALUE nor KEY-", fix="write it like team=risk, or team-"
    )


def _origin(document: dict[str, Json]) -> tuple[object, ...]:
    said = _mapping(document, "metadata")
    data = [
        f"{item.get('name')} {str(item.get('digest'))[:19]}".strip()
        for item in models.objects(said, "datasets")
    ]
    return (
        f"{document.get('model')}@{document.get('version')}",
        said.get("commit"),
        said.get("repository"),
        ", ".join(data),
    )


def _flat(document: dict[str, Json]) -> dict[str, Json]:
    """One line for each thing that can differ and that somebody would ask about."""
    said = _mapping(document, "metadata")
    flat: dict[str, Json] = {
        name: said.get(name) for name in ("description", "owner", "licence", "commit", "repository")
    }
    for group in ("metrics", "parameters", "tags"):
        flat |= {f"{group}.{key}": value for key, value in sorted(_mapping(said, group).items())}
    for data in models.objects(said, "datasets"):
        flat[f"dataset.{data.get('name')}"] = data.get("digest") or data.get("uri")
    for role in ("inputs", "outputs"):
        tensors = models.objects(_mapping(document, "signature"), role)
        flat[role] = ", ".join(output.shape(tensor) for tensor in tensors)
    for variant in models.objects(document, "variants"):
        for file in models.objects(variant, "files"):
            flat[f"{variant.get('name')}/{file.get('path')}"] = file.get("digest")
    flat["size"] = document.get("size")
    return flat


def _mapping(document: Mapping[str, Json], name: str) -> dict[str, Json]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
