"""`plimsoll model search`: versions by tags, metrics and all else that is said of them."""

from typing import Annotated

import typer

from registry.cli import models, options, output
from registry.core.canonical import Json

app = models.app


@models.model_app.command()
def search(
    filters: Annotated[
        str,
        typer.Argument(
            help="Such as \"tags.team = 'risk' AND metrics.accuracy > 0.9\"; without it, all.",
            metavar="FILTER",
        ),
    ] = "",
    order_by: Annotated[
        list[str] | None,
        typer.Option(help="A field and ASC or DESC, such as 'metrics.accuracy DESC'; repeatable."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show at most.")] = 100,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """Versions that fit a filter, the newest first."""
    with options.connect(server, token_file) as client:
        found = client.search(filters, order_by=order_by or [], limit=limit + 1)
    shown = found[:limit]
    if form.is_data:
        output.print_document(form, shown)
    else:
        titles = ("version", "state", "variants", "tags", "metrics", "created")
        output.print_listing(form, titles, [_row(document) for document in shown])
    if len(found) > len(shown):
        output.message(f"there are more than these {limit}; --limit shows more")


def _row(document: dict[str, Json]) -> tuple[object, ...]:
    metadata = models.mapping(document, "metadata")
    return (
        f"{document.get('model')}@{document.get('version')}",
        document.get("status"),
        models.variants(document),
        _pairs(models.mapping(metadata, "tags")),
        _pairs(models.mapping(metadata, "metrics")),
        document.get("createdAt"),
    )


def _pairs(found: dict[str, Json]) -> str:
    return ", ".join(f"{key}={_short(value)}" for key, value in sorted(found.items()))


def _short(value: Json) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
