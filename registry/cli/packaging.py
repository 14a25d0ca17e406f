"""`plimsoll package`: a version as an image that `docker run` serves, composed by the registry."""

from typing import Annotated

import typer

from registry.cli import options, output
from registry.core import fields

app = typer.Typer()


@app.command()
def package(
    reference: Annotated[
        str, typer.Argument(help="NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")
    ],
    base: Annotated[
        str,
        typer.Option(
            envvar="PLIMSOLL_BASE",
            help="A runtime's image in the registry: REPOSITORY@DIGEST or REPOSITORY:TAG.",
        ),
    ],
    variant: options.Variant = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Compose a version's runnable image, which its tag stands for from then on."""
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        made = client.package(model, version, base, variant or "")
    tag = f"{version}-{variant}" if variant else f"{version}"
    for one in fields.objects(made, "images", what="image"):
        output.message(f"{one['platform']} {one['digest']}")
    typer.echo(f"{model}:{tag} {made['digest']}")
