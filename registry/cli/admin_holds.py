"""`plimsoll admin hold` and `plimsoll admin erase`: what must not go, and what must."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import admin, output
from registry.core import names

if TYPE_CHECKING:
    from registry.db.tables_retention import Hold
    from registry.usecases.erasure import Erased

app = admin.app
hold_app = typer.Typer(no_args_is_help=True, help="Legal holds: what must not go.")
admin.admin_app.add_typer(hold_app, name="hold")

_REFERENCE = re.compile(r"([^@]+)(?:@(\d{1,19}))?")

Reference = Annotated[
    str, typer.Argument(help="NAME@VERSION, or NAME for all of a model.", metavar="REFERENCE")
]
Reason = Annotated[str, typer.Option(help="Why. It is in the log for good: name no person.")]


@hold_app.command()
def place(
    reference: Reference,
    reason: Reason,
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Hold a version or a model: it cannot expire, be deleted or be erased."""
    from registry.usecases import holds  # noqa: PLC0415  heavy

    model, version = _named(reference)
    with admin.opened(config) as registry:
        hold = holds.place(
            registry, model=model, version=version, reason=reason, by=admin.caller(registry)
        )
    _print([hold], output.Listing(form.value))


@hold_app.command()
def release(
    hold: Annotated[int, typer.Argument(min=1, help="Its number, as `hold list` shows it.")],
    reason: Reason,
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Release a hold; other holds on the same version stay."""
    from registry.usecases import holds  # noqa: PLC0415  heavy

    with admin.opened(config) as registry:
        released = holds.release(registry, hold, reason=reason, by=admin.caller(registry))
    _print([released], output.Listing(form.value))


@hold_app.command("list")
def list_holds(
    with_released: Annotated[  # noqa: FBT002  an option
        bool, typer.Option("--all", help="Released ones too.")
    ] = False,
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """What is held, since when and why."""
    from registry.usecases import holds  # noqa: PLC0415  heavy

    found: list[Hold] = []
    with admin.opened(config) as registry:
        after = 0
        while page := holds.page(registry, with_released=with_released, after=after):
            found += page
            after = page[-1].id
    _print(found, form)


@admin.admin_app.command()
def erase(
    reference: Reference,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002  an option
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Erase the bytes and the personal data of a version or a model, for good."""
    from registry.usecases import erasure  # noqa: PLC0415  heavy

    model, version = _named(reference)
    if not yes:
        what = f"{model}@{version}" if version else f"all of {model}"
        typer.confirm(f"Erase {what}? There is no way back", abort=True, err=True)
    with admin.opened(config) as registry:
        by = admin.caller(registry)
        if version is None:
            done = erasure.erase_model(registry, model=model, reason=reason, by=by)
        else:
            done = [erasure.erase(registry, model=model, version=version, reason=reason, by=by)]
    _print_erased(done, form)


def _named(text: str) -> tuple[str, int | None]:
    form = _REFERENCE.fullmatch(text)
    if form is None:
        raise errors.InvalidInput(f"{text[:80]!r} names no model", fix="write digits@3, or digits")
    return names.slug(form[1]), names.version(int(form[2])) if form[2] else None


def _print(found: "list[Hold]", form: output.Listing) -> None:
    if form.is_data:
        from registry.api import wire_retention  # noqa: PLC0415  heavy

        documents = [wire_retention.hold_document(one) for one in found]
        output.print_document(
            form, [one.model_dump(mode="json", by_alias=True) for one in documents]
        )
        return
    output.print_listing(
        form,
        ("hold", "on", "since", "by", "reason", "released"),
        [
            (one.id, f"{one.model}@{one.version}" if one.version else f"{one.model} (all)",
             f"{one.placed_at:%Y-%m-%d}", one.placed_by, one.reason, _released(one))
            for one in found
        ],
    )  # fmt: skip


def _released(one: "Hold") -> str:
    if one.released_at is None:
        return ""
    return f"{one.released_at:%Y-%m-%d} by {one.released_by}: {one.released_reason}"


def _print_erased(done: "list[Erased]", form: output.Form) -> None:
    if form.is_data:
        from registry.api import wire_retention  # noqa: PLC0415  heavy

        documents = [wire_retention.erased_document(one) for one in done]
        output.print_document(
            form, [one.model_dump(mode="json", by_alias=True) for one in documents]
        )
        return
    output.print_table(
        ("version", "log entry", "removed", "blobs", "evidence", "uploads", "digest"),
        [
            (f"{one.model}@{one.version}",
             "erased before" if one.log_index is None else one.log_index,
             output.size(one.removed_bytes), one.removed_blobs, one.evidence, one.staged,
             one.digest)
            for one in done
        ],
    )  # fmt: skip
    if keys := sum(one.keys for one in done):
        typer.echo(f"{keys} keys destroyed; keep destroyed-keys.txt away from your backups")
    for one in done:
        for digest, who in one.shared.items():
            typer.echo(f"{digest} stays: the same bytes are in {', '.join(who)}")
