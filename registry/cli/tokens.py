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


@token_app.command("list")
def list_tokens(
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """All tokens, without their secrets."""
    with options.connect(server, token_file) as client:
        found = client.tokens()
    if form is output.Form.JSON:
        output.print_json(found)
        return
    output.print_table(
        ("id", "role", "name", "made by", "made", "revoked"),
        [
            (item.get("id"), item.get("role"), item.get("name"), item.get("createdBy"),
             item.get("createdAt"), item.get("revokedAt"))
            for item in found
        ],
    )  # fmt: skip


@token_app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="Its id, as plimsoll token list shows it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the log.")],
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Let nobody in with this token any more."""
    with options.connect(server, token_file) as client:
        client.revoke_token(token_id, reason)
    output.message(f"token {token_id} is revoked")
