"""`plimsoll push`: hash, upload, sign with the publisher's key, publish."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import options, output, progress, push_explained, saying, signing
from registry.core import fields, names
from registry.core.canonical import Json
from registry.core.oms import File
from registry.core.watermark import records

if TYPE_CHECKING:
    from registry.cli.client import Client

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which name and number the files shall get, or which version's variant they shall be."""

    model: str
    version: int | None
    variant_of: int | None
    variant: str
    format: str | None
    mark: bool | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What the publisher says of the files; `tensors` only where the files themselves do not."""

    metadata: dict[str, Json]
    tensors: dict[str, Json] | None


@dataclass(frozen=True, slots=True)
class Signed:
    """By which key files are to be signed, or the signature that they have already; and what they
    are to be measured by once they are published."""

    key: Path | None
    signature: Path | None
    explain: push_explained.Asked | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What shall be published: which files, as what, and what is said of it."""

    wanted: Wanted
    format: str
    files: tuple[File, ...]
    said: Said


Name = Annotated[str, typer.Argument(help="The model's name.", metavar="NAME")]
Source = Annotated[Path, typer.Argument(help="The model's folder, or its one file.")]
Key = Annotated[
    Path | None, typer.Option(envvar="PLIMSOLL_KEY", help="The publisher's private key file.")
]
Signature = Annotated[
    Path | None,
    typer.Option(help="A ready signature, as `plimsoll sign` made it; then no key is needed."),
]
Number = Annotated[
    int | None, typer.Option(min=1, help="The number to publish; without it, the next one.")
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="onnx, saved_model, torchscript or safetensors; without it, found out."
    ),
]
VariantOf = Annotated[
    int | None,
    typer.Option(min=1, help="Add these files to this version, as another variant of it."),
]
Variant = Annotated[str, typer.Option(help="The variant's name; without it, the format's.")]
Watermark = Annotated[
    bool | None,
    typer.Option(
        "--watermark/--no-watermark",
        help="Have the owner's mark put into the weights, or not; without it, as the registry is "
        "set up.",
    ),
]
Tensors = Annotated[
    Path | None,
    typer.Option(
        help="JSON file that says inputs and outputs where the model does not: "
        '{"inputs": [{"name", "dtype", "shape"}], "outputs": [...]}.'
    ),
]


@app.command()
def push(  # noqa: PLR0913, PLR0917  the options of a command
    name: Name,
    path: Source,
    key: Key = None,
    signature: Signature = None,
    version: Number = None,
    variant_of: VariantOf = None,
    variant: Variant = "",
    model_format: Format = None,
    watermark: Watermark = None,
    tensors: Tensors = None,
    description: saying.Description = "",
    commit: saying.Commit = "",
    repository: saying.Repository = "",
    licence: saying.Licence = "",
    owner: saying.Owner = "",
    card: saying.Card = None,
    tag: saying.Tags = None,
    metric: saying.Metrics = None,
    param: saying.Parameters = None,
    dataset: saying.Datasets = None,
    derived_from: saying.Parents = None,
    explain: push_explained.Samples = None,
    explain_with: push_explained.How = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Publish a model version. Repeating a push, or finishing a broken one, is safe."""
    metadata = saying.metadata(
        description=description, commit=commit, repository=repository, licence=licence,
        owner=owner, card=saying.card(card), tags=saying.tags(tag), metrics=saying.metrics(metric),
        parameters=saying.parameters(param), datasets=saying.datasets(dataset),
        derivedFrom=saying.parents(derived_from),
    )  # fmt: skip
    wanted = Wanted(names.slug(name), version, variant_of, variant, model_format, watermark)
    said = Said(metadata, saying.tensors(tensors) if tensors else None)
    signed = Signed(key, signature, push_explained.asked(explain, explain_with or [], key, trust))
    _print(publish_files(wanted, said, path, signed, options.Access(server, token_file)), form)


def folder(  # noqa: PLR0913  what is said of a version
    model: str,
    path: Path,
    *,
    key: Path | None,
    access: options.Access,
    parents: list[str],
    card: Path,
    tensors: Path,
) -> dict[str, Json]:
    """Publish what a command has made; gives the version's document."""
    said = saying.metadata(card=saying.card(card), derivedFrom=saying.parents(parents))
    wanted = Wanted(model, None, None, "", None)
    files = Said(said, saying.tensors(tensors))
    return publish_files(wanted, files, path, Signed(key, None), access)


def publish_files(
    wanted: Wanted, said: Said, path: Path, signed: Signed, access: options.Access
) -> dict[str, Json]:
    """Upload the files at `path` and publish them; returns the version, as the registry says."""
    from registry.cli import uploading  # noqa: PLC0415  heavy
    from registry.formats import detect  # noqa: PLC0415

    _require_consistent(wanted, said.metadata)
    bundle_of = _signer(wanted.model, signed)
    places = uploading.collect(path, signed.signature)
    total = sum(place.stat().st_size for place in places.values())
    found, _ = detect.head(places, wanted.format)
    with options.connect(access.server, access.token_file) as client:
        with progress.of_bytes("hashing, uploading", total, passes=2) as advance:
            brought = uploading.bring(client, places, advance)
        draft = Draft(wanted, found, brought.files, said)
        # Of bytes that were not there no version can be: there may be many to look through.
        published = None if brought.is_new else _published_before(client, draft)
        if published is None:
            published = _publish(client, draft, bundle_of(brought.files))
    if signed.explain is None:
        return published
    name = None if wanted.variant_of is None else wanted.variant or draft.format
    return push_explained.explained(signed.explain, published, name, access)


def _signer(model: str, signed: Signed) -> Callable[[tuple[File, ...]], dict[str, Json]]:
    """What gives the files' signature; a key or a signature that cannot be read raises now."""
    if signed.signature is not None:
        bundle = signing.read(signed.signature)
        return lambda _: bundle
    if signed.key is None:
        raise errors.InvalidConfig(
            "nothing says who signs these files",
            fix="name the publisher's key with --key, or a ready signature with --signature",
        )
    from registry.trust import keys, sign  # noqa: PLC0415  heavy

    key = keys.load_signing_key(signed.key)
    return lambda files: sign.sign_model(model, files, key)


def _publish(client: "Client", draft: Draft, bundle: dict[str, Json]) -> dict[str, Json]:
    document = _document(draft, bundle)
    wanted = draft.wanted
    if wanted.variant_of is not None:
        return client.add_variant(wanted.model, wanted.variant_of, document)
    document |= {"version": wanted.version, "metadata": draft.said.metadata}
    return client.publish(wanted.model, document)


def _require_consistent(wanted: Wanted, metadata: dict[str, Json]) -> None:
    if wanted.variant_of is None:
        return
    if wanted.version is not None:
        raise errors.InvalidInput(
            "--version and --variant-of exclude each other",
            fix="a variant has the number of the version it is added to",
        )
    if metadata:
        raise errors.InvalidInput(
            f"a variant says nothing of its own, but {', '.join(sorted(metadata))} was given",
            fix="leave it out: what was said of the version holds for its variants",
        )


def _print(published: dict[str, Json], form: output.Form) -> None:
    if form.is_data:
        output.print_document(form, published)
    else:
        typer.echo(f"{published.get('model')} {published.get('version')} {published.get('digest')}")


def _document(draft: Draft, bundle: dict[str, Json]) -> dict[str, Json]:
    listed: list[Json] = [
        {"path": file.path, "digest": file.digest, "size": file.size} for file in draft.files
    ]
    document: dict[str, Json] = {
        "format": draft.format,
        "variant": draft.wanted.variant,
        "files": listed,
        "publisherBundle": bundle,
        "signature": draft.said.tensors,
    }
    if draft.wanted.mark is not None:
        document["watermark"] = "on" if draft.wanted.mark else "off"
    return document


def _published_before(client: "Client", draft: Draft) -> dict[str, Json] | None:
    """The newest version that is exactly these files: a repeated push must not make another.

    With a number asked for, the registry itself answers a repetition with what it has.
    """
    if draft.wanted.version is not None or draft.wanted.variant_of is not None:
        return None
    try:
        known = fields.objects(client.model(draft.wanted.model), "versions", what="model document")
    except errors.NotFound:
        return None
    same = [
        document
        for document in known
        if document.get("status") == "ready"
        and document.get("format") == draft.format
        and _is_of(document, draft)
    ]
    if not same:
        return None
    newest = max(same, key=lambda document: fields.integer(document, "version", what="version"))
    output.message(f"published before, as version {newest.get('version')}")
    return newest


def _is_of(document: dict[str, Json], draft: Draft) -> bool:
    """Whether it is made of exactly these files, with a mark or without one as is wanted."""
    mark, wanted = document.get("watermark"), draft.wanted.mark
    if wanted is not None and wanted != isinstance(mark, dict):
        return False
    if isinstance(mark, dict):
        return mark.get("content") == records.content_digest(draft.files)
    return _files_of(document) == {(file.path, file.digest) for file in draft.files}


def _files_of(document: dict[str, Json]) -> set[tuple[str, str]]:
    listed = fields.objects(document, "files", what="version document")
    return {(str(item.get("path")), str(item.get("digest"))) for item in listed}
