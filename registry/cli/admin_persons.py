"""`plimsoll admin person`: who is behind a pseudonym of the log, and making that unknown."""

from typing import Annotated

import typer

from registry.cli import admin, output

app = admin.app
person_app = typer.Typer(no_args_is_help=True, help="Persons behind the log's pseudonyms.")
admin.admin_app.add_typer(person_app, name="person")


@person_app.callback()
def person() -> None:
    """Persons behind the log's pseudonyms."""


@person_app.command()
def show(
    called: Annotated[
        str, typer.Argument(help="A pseudonym, or what the identity provider calls the person.")
    ],
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Who is behind a pseudonym, or which pseudonym a person has."""
    from registry.usecases import persons  # noqa: PLC0415  heavy

    with admin.opened(config) as registry:
        found = persons.called(registry, called)
    rows = [
        (one.pseudonym, one.known_as, one.issuer, one.subject, f"{one.first_seen_at:%Y-%m-%d}")
        for one in found
    ]
    titles = ("pseudonym", "known as", "issuer", "subject", "first seen")
    if form.is_data:
        output.print_document(form, [dict(zip(titles, row, strict=True)) for row in rows])
    else:
        output.print_table(titles, rows)


@person_app.command()
def erase(
    pseudonym: Annotated[str, typer.Argument(help="Whose, as `person show` prints it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the log, so name nobody.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002  an option
    config: admin.Config = admin.DEFAULT_CONFIG,
) -> None:
    """Forget for good who is behind a pseudonym. The log keeps the pseudonym."""
    from registry.usecases import persons  # noqa: PLC0415  heavy

    if not yes:
        typer.confirm(f"Forget who {pseudonym} is? There is no way back", abort=True, err=True)
    with admin.opened(config) as registry:
        persons.erase(registry, pseudonym, reason=reason, by=admin.caller(registry))
    output.message(f"nobody can tell any more who {pseudonym} is")
