"""`plimsoll admin gc`: what may go by rule and what nobody refers to; a dry run unless told."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import admin, output, progress

if TYPE_CHECKING:
    from registry.core.retention import Decision
    from registry.usecases.retention import Plan
    from registry.usecases.sweep import Grace, Swept, Tally

app = admin.app

_SHOWN = 100


@admin.admin_app.command()
def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without, only say.")] = False,  # noqa: FBT002  an option
    explain: Annotated[  # noqa: FBT002  an option
        bool, typer.Option("--explain", help="Say of every version why it stays or goes.")
    ] = False,
    grace_hours: Annotated[
        float | None,
        typer.Option(min=0, help="Bytes unused for so long may go; without it, as configured."),
    ] = None,
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Let versions expire by the retention rules, and remove bytes that nobody refers to."""
    from registry.api import wire_retention  # noqa: PLC0415  heavy
    from registry.usecases import retention, sweep  # noqa: PLC0415  heavy

    with admin.opened(config) as registry, progress.of_phases() as told:
        hours = registry.settings.retention.grace_hours if grace_hours is None else grace_hours
        grace = sweep.Grace.of(hours)
        planned = retention.plan(registry)
        if apply:
            expired = retention.apply(registry, planned, admin.caller(registry), told)
            swept = sweep.sweep(registry, grace, told)
        else:
            expired, swept = planned.expiring, sweep.look(registry, grace, told)
    if form.is_data:
        document = wire_retention.retention_document(planned, expired, swept)
        output.print_document(form, document.model_dump(mode="json", by_alias=True))
    else:
        _print_versions(planned, len(expired), explain=explain, applied=apply)
        _print_bytes(swept, grace, applied=apply)
    _require_whole(swept)


def _print_versions(planned: "Plan", expired: int, *, explain: bool, applied: bool) -> None:
    shown = list(planned.decisions if explain else planned.expiring)
    if shown:
        rows = [_row(one) for one in (shown if explain else shown[:_SHOWN])]
        output.print_table(("version", "", "size", "published", "why"), rows)
        if len(rows) < len(shown):
            typer.echo(f"… and {len(shown) - len(rows)} more; --explain lists all")
    verb = "expired" if applied else "would expire"
    size = output.size(sum(one.version.size for one in planned.expiring))
    kept = len(planned.decisions) - len(planned.expiring)
    typer.echo(f"{expired} versions {verb} ({size} at most), {kept} stay{_why(planned)}")
    if applied and expired < len(planned.expiring):
        typer.echo(f"{len(planned.expiring) - expired} were touched meanwhile and stay for now")


def _why(planned: "Plan") -> str:
    from collections import Counter  # noqa: PLC0415

    from registry.core.retention import Keep  # noqa: PLC0415

    counts = Counter(str(one.why) for one in planned.decisions if isinstance(one, Keep))
    said = [f"{count} {why.replace('_', ' ')}" for why, count in counts.most_common()]
    return f": {', '.join(said)}" if said else ""


def _row(one: "Decision") -> tuple[object, ...]:
    from registry.core.retention import Expire  # noqa: PLC0415

    version = one.version
    return (
        f"{version.model}@{version.number}",
        "expire" if isinstance(one, Expire) else "keep",
        output.size(version.size),
        f"{version.created_at:%Y-%m-%d}",
        one.reason,
    )


def _print_bytes(swept: "Swept", grace: "Grace", *, applied: bool) -> None:
    unused = f"unused for {grace.unused.total_seconds() / 3600:g} h"
    later = f"goes with a sweep after {grace.condemned.total_seconds() / 60:g} min"
    lines: Iterable[tuple[str, Tally, str]] = (
        (
            "removed" if applied else "remove",
            swept.removed,
            "condemned before, nobody refers to it",
        ),
        ("condemned" if applied else "condemn", swept.condemned, f"{unused}; {later}"),
        ("waiting", swept.waiting, f"condemned; {later}"),
        ("found" if applied else "find", swept.adopted, "stored and in no table; watched from now"),
        ("left over", swept.leftovers, "files of killed processes"),
        ("MISSING", swept.missing, "referred to and not stored: damage"),
    )
    typer.echo()
    output.print_table(
        ("bytes", "blobs", "size", "why"),
        [(verb, tally.count, output.size(tally.size), why) for verb, tally, why in lines
         if tally.count or tally is swept.removed],
    )  # fmt: skip
    if swept.leased:
        typer.echo(f"nothing is removed while there is a {swept.leased}")
    if not applied:
        typer.echo("\na dry run: nothing was changed. Do it with --apply")


def _require_whole(swept: "Swept") -> None:
    if swept.missing.count:
        raise errors.IntegrityError(
            f"{swept.missing.count} blobs of versions are missing: "
            f"{', '.join(swept.missing.first[:5])}",
            fix="see which with `plimsoll admin verify`, and restore them from a backup",
        )
