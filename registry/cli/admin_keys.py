"""`plimsoll admin encrypt`, `rotate-key` and `rotate-watermark-key`: the registry's secret keys."""

from typing import Annotated

import typer

from registry import errors
from registry.cli import admin, output, progress

app = admin.app


@admin.admin_app.command()
def encrypt(
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Encrypt what was stored before encryption was on; interrupted, run it again."""
    from registry.usecases import encrypting  # noqa: PLC0415  heavy

    with admin.opened(config) as registry, progress.of_phases() as told:
        done = encrypting.encrypt(registry, admin.caller(registry), told)
    if form.is_data:
        output.print_document(
            form, {"blobs": done.count, "bytes": done.size, "damaged": done.damaged}
        )
    else:
        output.print_fields([("encrypted", f"{output.size(done.size)} in {done.count} blobs")])
    if done.damaged:
        raise errors.IntegrityError(
            f"{len(done.damaged)} blobs are damaged and stay as they are: "
            f"{', '.join(done.damaged[:5])}",
            fix="see whose they are with `plimsoll admin verify`; restore them or let them go",
        )


@admin.admin_app.command("rotate-key")
def rotate_key(
    retire: Annotated[  # noqa: FBT002  an option
        bool,
        typer.Option("--retire", help="Forget the older keys: backups from before open no more."),
    ] = False,
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Wrap the keys of all blobs by a new key; no blob is rewritten. Interrupted, run it again."""
    from registry.usecases import rotation  # noqa: PLC0415  heavy

    with admin.opened(config) as registry, progress.of_phases() as told:
        if retire:
            said: list[tuple[str, str | int]] = [
                ("key", rotation.retire(registry, admin.caller(registry)))
            ]
        else:
            done = rotation.rotate(registry, admin.caller(registry), told)
            said = [("key", done.key), ("headers", done.headers)]
            if not done.is_new:
                said.append(("note", "an earlier rotation was finished; run it again for another"))
    if form.is_data:
        output.print_document(form, dict(said))
    else:
        output.print_fields(said)


@admin.admin_app.command("rotate-watermark-key")
def rotate_watermark_key(
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Mark models with a new key from now on; marks made before are still found by theirs."""
    from registry.usecases import watermark_keys  # noqa: PLC0415  heavy

    with admin.opened(config) as registry:
        epoch = watermark_keys.rotate(registry, admin.caller(registry))
    if form.is_data:
        output.print_document(form, {"epoch": epoch})
    else:
        output.print_fields([("epoch", epoch)])
