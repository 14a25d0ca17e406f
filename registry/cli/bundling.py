"""`plimsoll bundle`: a version, its image and its proofs as one file, where no network is."""

from pathlib import Path
from typing import Annotated

import typer

from registry import errors
from registry.cli import options, output

app = typer.Typer()
bundle_app = typer.Typer(
    no_args_is_help=True, help="One file with a version, its image and all that proves them."
)
app.add_typer(bundle_app, name="bundle")

File = Annotated[Path, typer.Argument(help="The bundle.", metavar="FILE")]


@bundle_app.command()
def export(
    reference: Annotated[
        str, typer.Argument(help="NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    variant: options.Variant = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Write a version, and its image where it is packaged, into one file; verified first."""
    from registry.cli import bundle_export  # noqa: PLC0415  heavy

    root = options.current_trust_root(trust)
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        found = bundle_export.export(client, root, (model, version, variant), out)
    output.message("with its image" if found.image else "not packaged: without an image")
    typer.echo(f"{model}:{found.tag} {found.verified.wanted.digest} {out}")


@bundle_app.command()
def verify(file: File, trust: options.Trust = None) -> None:
    """Check every byte of a bundle by your own trust root; no registry is asked."""
    from registry.cli import bundle_import  # noqa: PLC0415  heavy

    with bundle_import.checked(file, options.trust_root(trust)) as found:
        _say(found.verified.wanted.model, found.parts.tag, found.verified.wanted.digest)


@bundle_app.command("import")
def import_(
    file: File,
    repository: Annotated[
        str, typer.Option(help="Where the image is pushed; without it, imported/NAME.")
    ] = "",
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Check a bundle, publish its version under the same digest, and push its image."""
    from registry.cli import bundle_import  # noqa: PLC0415  heavy

    root = options.current_trust_root(trust)
    with bundle_import.checked(file, root) as found, options.connect(server, token_file) as client:
        sent = bundle_import.into(client, found, repository)
    output.message(f"{sent} bytes sent")
    _say(found.verified.wanted.model, found.parts.tag, found.verified.wanted.digest)


@bundle_app.command()
def evidence(
    file: File,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """File the statements in a bundle about its version, which is there: approvals with an
    approver's token, all others with a publisher's. Ends with 4 where one is refused.
    """
    from registry.cli import bundle_import, statements  # noqa: PLC0415  heavy

    root = options.current_trust_root(trust)
    with bundle_import.checked(file, root) as found, options.connect(server, token_file) as client:
        filed, refused = bundle_import.file_evidence(client, found)
    for one in filed:
        statements.told(one)
    for why in refused:
        output.message(f"not filed: {output.plain(why)}")
    if refused:
        raise errors.Forbidden(
            f"{len(refused)} of {len(refused) + len(filed)} statements are not filed",
            fix="list their signers in this registry, or use the token of who may bring them",
        )


def _say(model: str, tag: str, digest: str) -> None:
    typer.echo(f"{model}:{tag} {digest}")
