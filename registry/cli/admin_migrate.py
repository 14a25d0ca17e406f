"""`plimsoll admin migrate` and `introduce`: what must be so before registry or reconciler start."""

from typing import Annotated

import typer

from registry.cli import admin, introducing, output
from registry.exits import Exit

app = admin.app


@admin.admin_app.command()
def migrate(
    check: Annotated[  # noqa: FBT002  an option
        bool, typer.Option("--check", help="Change nothing; exit code 2 where something would.")
    ] = False,
    to: Annotated[str, typer.Option(help="Go down to this revision, for an older release.")] = "",
    yes: Annotated[  # noqa: FBT002  an option
        bool, typer.Option("--yes", help="Do not ask before going down.")
    ] = False,
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> int:
    """Bring the database to this release's schema, as a start does by itself."""
    from registry.usecases import migrating  # noqa: PLC0415  heavy

    settings = admin.settings_of(config)
    if check:
        before = migrating.standing(settings)
        after = before.found
    elif to:
        if not yes:
            typer.confirm(f"Stop every registry first. Go down to {to}?", abort=True, err=True)
        before = migrating.down(settings, to)
        after = to
    else:
        before = migrating.up(settings)
        after = max(before.found, before.newest)
    said = {"before": before.found, "schema": after, "newest": before.newest}
    if form.is_data:
        output.print_document(form, said)
    else:
        output.print_fields([(name, value or "none") for name, value in said.items()])
    return Exit.CHANGES if check and before.is_behind else Exit.OK


@admin.admin_app.command()
def introduce(config: admin.Config = admin.DEFAULT_CONFIG) -> None:
    """Give the reconciler of the same file its key, its token and the trust root; also again."""
    from registry.usecases import opening, transfers  # noqa: PLC0415  heavy

    settings = admin.settings_of(config)
    introducing.key(config, settings)
    registry = opening.open_registry(settings)
    try:
        introducing.token(config, registry)
        introducing.trust(config, settings)
        # Some stores make a bucket at the first write; to be ready, a registry only reads.
        transfers.put(registry, b"introduced\n")
    finally:
        registry.close()
    output.message("the registry knows the reconciler")
