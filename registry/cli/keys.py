"""`plimsoll keys`: a publisher's key is made here and never leaves its file."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli import output
from registry.core import names

app = typer.Typer()
keys_app = typer.Typer(no_args_is_help=True, help="Publishers' signing keys.")
app.add_typer(keys_app, name="keys")


@keys_app.callback()
def keys() -> None:
    """Publishers' signing keys."""


@keys_app.command()
def generate(
    out: Annotated[Path, typer.Option(help="Where the private key goes; mode 0600.")],
    name: Annotated[str, typer.Option(help="The publisher's name in the trust root.")],
) -> None:
    """Make a signing key. Prints the entry for the registry's publishers.json."""
    from registry.trust import keys as signing  # noqa: PLC0415  heavy

    names.slug(name, what="publisher name")
    key = signing.generate_signing_key()
    signing.write(key, out)
    output.message(f"private key in {out}; put this among the publishers of the registry:")
    output.print_json({"name": name, "publicKey": key.public_pem})
