"""`plimsoll alias`: words for versions, each move with a reason and on record."""

from typing import Annotated

import typer

from registry.cli import options, output
from registry.core import names

app = typer.Typer()
alias_app = typer.Typer(no_args_is_help=True, help="Words that point at versions.")
app.add_typer(alias_app, name="alias")

Model = Annotated[str, typer.Argument(help="The model's name.")]
Alias = Annotated[str, typer.Argument(help="The alias, such as champion.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the log.")]


@alias_app.command("set")
def set_alias(
    model: Model,
    alias: Alias,
    version: Annotated[int, typer.Argument(min=1, help="The version it shall point at.")],
    reason: Reason,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Point an alias at a version."""
    with options.connect(server, token_file) as client:
        client.move_alias(names.slug(model), names.alias(alias), version, reason)
    typer.echo(f"{model}:{alias} {version}")


@alias_app.command("list")
def list_aliases(
    model: Model,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """The aliases of a model."""
    with options.connect(server, token_file) as client:
        found = client.model(names.slug(model)).get("aliases")
    aliases = found if isinstance(found, dict) else {}
    if form.is_data:
        output.print_document(form, aliases)
    else:
        output.print_listing(form, ("alias", "version"), sorted(aliases.items()))


@alias_app.command()
def delete(
    model: Model,
    alias: Alias,
    reason: Reason,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Remove an alias; the version it pointed at stays."""
    with options.connect(server, token_file) as client:
        client.remove_alias(names.slug(model), names.alias(alias), reason)
    output.message(f"{model}:{alias} removed")
