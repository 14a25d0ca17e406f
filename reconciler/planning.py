"""`plimsoll plan`: what the reconciler would do next, or what a change of Git would do."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.exits import Exit

if TYPE_CHECKING:
    from reconciler.config import Config
    from reconciler.core.planned import Plan
    from reconciler.core.review import Review

CONFIG = Path("plimsoll.toml")


class Form(StrEnum):
    """How a plan is printed; `md` as the comment on a pull request."""

    TABLE = "table"
    JSON = "json"
    MD = "md"


def plan(  # noqa: PLR0913  each is an option
    path: Annotated[
        Path | None,
        typer.Argument(help="A checkout: what its files change against --base, HEAD without it."),
    ] = None,
    *,
    base: Annotated[
        str, typer.Option(help="A branch, tag or commit: what the pull request into it would do.")
    ] = "",
    head: Annotated[
        str, typer.Option(help="A branch, tag or commit instead of the files as they lie there.")
    ] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="By the files alone; versions are not looked up.")
    ] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 2 when there are changes.")
    ] = False,
    form: Annotated[Form, typer.Option("--output", "-o", help="How to print it.")] = Form.TABLE,
    config: Annotated[Path, typer.Option(help="The configuration file.")] = CONFIG,
) -> int:
    """Say what would happen, and change nothing. By itself: what the reconciler would do next to
    its hosts. With a checkout or --base: what that change of Git would do; ends with 3 where it
    would be refused."""
    if path is None and not base and not head:
        return _next(config, form, detailed_exitcode)
    from reconciler.reviewing import local  # noqa: PLC0415  heavy

    asked = local.Asked((path or Path()).resolve(), base or "HEAD", head)
    found = local.plan(asked, None if offline else _settings(config))
    _print(found, form)
    _require_allowed(found)
    is_change = bool(found.rows or found.files)
    return Exit.CHANGES if detailed_exitcode and is_change else Exit.OK


def _settings(config: Path) -> "Config | None":
    """None where there is none, and none was named: a checkout alone can be planned too."""
    from reconciler import config as settings  # noqa: PLC0415  heavy

    if config == CONFIG and not config.exists():
        typer.echo("no plimsoll.toml here: versions are not looked up in a registry", err=True)
        return None
    return settings.load(config)


def _next(config: Path, form: Form, detailed_exitcode: bool) -> int:  # noqa: FBT001  an option
    from reconciler import service  # noqa: PLC0415  heavy

    coming = service.preview(config)
    typer.echo(_text(coming, form))
    return Exit.CHANGES if detailed_exitcode and coming.actions else Exit.OK


def _text(coming: "Plan", form: Form) -> str:
    head = f"at commit {coming.commit[:12]}: {coming.summary()}"
    match form:
        case Form.TABLE:
            return f"{head}\n{coming.render()}"
        case Form.JSON:
            return json.dumps(coming.document(), indent=2, ensure_ascii=False)
        case Form.MD:
            return f"**{head}**\n\n```\n{coming.render()}\n```"


def _print(found: "Review", form: Form) -> None:
    from reconciler.core.review import documents, markdown, table  # noqa: PLC0415  heavy

    match form:
        case Form.TABLE:
            typer.echo(table.render(found))
        case Form.JSON:
            typer.echo(json.dumps(documents.document(found), indent=2, ensure_ascii=False))
        case Form.MD:
            typer.echo(markdown.render(found))


def _require_allowed(found: "Review") -> None:
    """Raises where it must not be merged."""
    from reconciler.core.review import Verdict  # noqa: PLC0415  heavy

    match found.verdict:
        case Verdict.CONFLICTING | Verdict.INVALID:
            raise errors.InvalidDesiredState(found.headline)
        case Verdict.REFUSED:
            raise errors.PolicyDenied(found.headline, fix="see the lines above")
        case Verdict.UNKNOWN | Verdict.ALLOWED | Verdict.NO_CHANGES:
            return
