"""`plimsoll token`: what somebody or something shows to the registry to be let in."""

from typing import Annotated

import typer

from registry.cli import options, output

app = typer.Typer()
token_app = typer.Typer(no_args_is_help=True, help="Tokens that open the registry.")
app.add_typer(token_app, name="token")


@token_app.callback()
def token() -> None:
    """Tokens that open the registry."""


@token_app.command()
def create(
    role: Annotated[
        str, typer.Argument(help="admin, publisher, reconciler, host or auditor.", metavar="ROLE")
    ],
    name: Annotated[str, typer.Argument(help="Whose it is; for a host, the host's name.")],
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Mint a token. It is printed once and kept nowhere."""
    with options.connect(server, token_file) as client:
        secret = client.create_token(role, name)
    output.message(f"token of {role} {name}; it is not shown again:")
    typer.echo(secret)
