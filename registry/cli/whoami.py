"""`plimsoll whoami`: whom the registry takes you for, and what you may do there."""

import typer

from registry.cli import options, output
from registry.core.canonical import Json

app = typer.Typer()


@app.command()
def whoami(
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Whom the registry takes you for, and what you may do there."""
    with options.connect(server, token_file) as client:
        found = client.document("GET", "/v1/whoami")
    if form.is_data:
        output.print_document(form, found)
        return
    output.print_fields([("name", found.get("name")), ("by", found.get("means"))])
    grants = found.get("grants")
    typer.echo("")
    output.print_table(
        ("role", "models"),
        [
            (grant.get("role"), models(grant))
            for grant in (grants if isinstance(grants, list) else [])
            if isinstance(grant, dict)
        ],
    )


def models(item: dict[str, Json]) -> str:
    """The models that a grant or a token is about, in words."""
    names, projects = _texts(item.get("models")), _texts(item.get("projects"))
    if "*" in names:
        return "all"
    return ", ".join([*names, *(f"project {name}" for name in projects)])


def _texts(value: Json) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
