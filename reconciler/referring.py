"""`plimsoll reference`: what drift is measured against, made from a CSV file."""

from pathlib import Path
from typing import Annotated

import typer

from registry import errors


def reference(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header, such as a golden one.")],
    *,
    column: Annotated[str, typer.Option(help="The column with the values.")] = "",
    mean_of: Annotated[
        str, typer.Option(help="Instead: of each row the mean of the columns named so and a number")
    ] = "",
    categories: Annotated[
        bool, typer.Option("--categories", help="Count each text, instead of bins of numbers.")
    ] = False,
    bins: Annotated[int, typer.Option(min=2, max=256)] = 10,
) -> None:
    """Print how a column is distributed, for the drift provider of an AnalysisTemplate."""
    from reconciler.core import reference as made  # noqa: PLC0415  heavy

    if bool(column) == bool(mean_of) or (mean_of and categories):
        raise errors.InvalidInput(
            "there is not exactly one of --column and --mean-of",
            fix="write --column age, or --mean-of p for the columns p0, p1 and so on",
        )
    try:
        data = file.read_bytes()
    except OSError as error:
        raise errors.InvalidInput(f"{file}: cannot be read: {error.strerror}") from error
    what = file.name
    if mean_of:
        found = made.of_means(data, mean_of, bins=bins, what=what)
    elif categories:
        found = made.of_categories(data, column, what=what)
    else:
        found = made.of_column(data, column, bins=bins, what=what)
    typer.echo(made.written(found))
