"""`plimsoll permit issue`: a permit for what runs where no reconciler starts anything."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors

if TYPE_CHECKING:
    from reconciler import config as configuration

_DAY_S = 86400.0
# Where permits of our own may last for ever, these end all the same.
_DAYS_WITHOUT_END = 7.0


def issue(
    deployment: Annotated[str, typer.Argument(help="As environment/name.")],
    *,
    host: Annotated[str, typer.Option(help="What the pods call themselves: render's --host.")],
    lasts: Annotated[
        str, typer.Option("--for", help="How long pods may begin by it: 72h. Else permit_days.")
    ] = "",
    renew: Annotated[
        Path | None, typer.Option(help="A permit to renew, for the version that it names.")
    ] = None,
    config: Annotated[Path, typer.Option(help="The configuration file.")] = Path("plimsoll.toml"),
) -> None:
    """Decide as before a start, and print the permit for a host that no reconciler looks after."""
    from reconciler import config as configuration  # noqa: PLC0415  heavy
    from reconciler import issuing  # noqa: PLC0415  heavy

    settings = configuration.load(config)
    asked = issuing.Asked(deployment, host, _seconds(lasts, settings), _text(renew))
    typer.echo(issuing.issue(settings, asked).text)


def _seconds(lasts: str, settings: "configuration.Config") -> float:
    """As asked for, within what the configuration allows; raises `InvalidInput`."""
    from registry.core import strict  # noqa: PLC0415  heavy

    most = (settings.permit_days or _DAYS_WITHOUT_END) * _DAY_S
    if not lasts:
        return most
    try:
        seconds = float(strict.duration_seconds(lasts))
    except ValueError as error:
        raise errors.InvalidInput(f"--for: {error}", fix="write it like 12h or 72h") from error
    if not 0 < seconds <= most:
        raise errors.InvalidInput(
            f"--for: {lasts} is not within {most / _DAY_S:g} days, the longest that permits last",
            fix="ask for less, or raise permit_days",
        )
    return seconds


def _text(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidInput(f"--renew: {file} cannot be read: {error}") from error
