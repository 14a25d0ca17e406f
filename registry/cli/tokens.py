"""`plimsoll token`: what somebody or something shows to the registry to be let in."""

from typing import Annotated

import typer

from registry.cli import options, output, whoami
from registry.core.canonical import Json

app = typer.Typer()
token_app = typer.Typer(no_args_is_help=True, help="Tokens that open the registry.")
app.add_typer(token_app, name="token")


@token_app.callback()
def token() -> None:
    """Tokens that open the registry."""


@token_app.command()
def create(  # noqa: PLR0913, PLR0917  each is an option
    role: Annotated[
        str,
        typer.Argument(
            help="admin, publisher, approver, operator, reconciler, agent, host, auditor, viewer.",
            metavar="ROLE",
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(help="Whose it is; for a host, the host's name. The log keeps it for ever."),
    ],
    model: Annotated[
        list[str] | None, typer.Option(help="A model, or a glob of models; may be repeated.")
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="A project, or a glob; may be repeated.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="How long it is good.")] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Mint a token. It is printed once and kept nowhere.

    Without --model and --project it is good for all models.
    """
    wish: dict[str, Json] = {"models": [*(model or ())], "projects": [*(project or ())]}
    if days is not None:
        wish["expiresIn"] = days * 86400
    with options.connect(server, token_file) as client:
        secret = client.create_token(role, name, **wish)
    output.message(f"token of {role} {name}; it is not shown again:")
    typer.echo(secret)


@token_app.command("list")
def list_tokens(
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """All tokens, without their secrets."""
    with options.connect(server, token_file) as client:
        found = client.tokens()
    if form.is_data:
        output.print_document(form, found)
        return
    output.print_listing(
        form,
        ("id", "role", "name", "models", "made by", "made", "expires", "revoked"),
        [
            (item.get("id"), item.get("role"), item.get("name"), whoami.models(item),
             item.get("createdBy"), item.get("createdAt"), item.get("expiresAt"),
             item.get("revokedAt"))
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
