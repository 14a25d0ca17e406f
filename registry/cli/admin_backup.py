"""`plimsoll admin backup`, `restore` and `verify`: one command each, none without a check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import admin, options, output, progress

if TYPE_CHECKING:
    from registry.usecases.backup import BackedUp
    from registry.usecases.verification import Findings

app = admin.app

Source = Annotated[Path, typer.Argument(help="The folder that the backup is in.")]


@admin.admin_app.command()
def backup(
    target: Annotated[
        Path, typer.Argument(help="An empty folder, or one that an earlier backup went to.")
    ],
    without_keys: Annotated[  # noqa: FBT002  an option
        bool, typer.Option("--without-keys", help="Leave private keys and the admin token out.")
    ] = False,
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Save everything, while the registry serves; bytes that are there are not copied again."""
    from registry.usecases import backup as saving  # noqa: PLC0415  heavy

    with admin.opened(config) as registry, progress.of_phases() as told:
        done = saving.backup(
            registry, target, with_keys=not without_keys, by=admin.caller(registry), progress=told
        )
    _print_backup(done, form, with_keys=not without_keys)
    if done.missing:
        listed = "; ".join(f"{digest}: {why}" for digest, why in list(done.missing.items())[:5])
        raise errors.IntegrityError(
            f"whole but for {len(done.missing)} blobs that were lost before: {listed}",
            fix="see whose they are with `plimsoll admin verify`",
        )


@admin.admin_app.command()
def restore(
    source: Source,
    trust: options.Trust = None,
    despite_missing: Annotated[  # noqa: FBT002  an option
        bool,
        typer.Option(
            "--despite-missing", help="Restore also where bytes were lost before the backup."
        ),
    ] = False,
    destroyed: Annotated[
        list[Path] | None,
        typer.Option(
            "--destroyed", help="A destroyed-keys.txt kept from later than the backup; repeatable."
        ),
    ] = None,
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Put a backup back into an empty place, and check all of it against the log."""
    from registry.store.archive import Archive  # noqa: PLC0415  heavy
    from registry.usecases import restore as restoring  # noqa: PLC0415  heavy

    root = None if trust is None else options.trust_root(trust)
    wish = restoring.Wish(
        Archive(source), root, despite_missing=despite_missing, destroyed=tuple(destroyed or ())
    )
    with progress.of_phases() as told:
        done = restoring.restore(admin.settings_of(config), wish, admin.nobody(), told)
    _print_findings(done.findings, form, verdict="restored and verified")
    if not done.has_keys:
        output.message("put keys/ back into the data folder before you start the registry")
    if root is None:
        _warn_of_trust()


@admin.admin_app.command()
def verify(
    saved: Annotated[
        Path | None, typer.Option("--backup", help="Check this backup instead of the registry.")
    ] = None,
    trust: options.Trust = None,
    config: admin.Config = admin.DEFAULT_CONFIG,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Read every entry, version and byte, and check them against the signed log."""
    if saved is not None:
        _verify_backup(saved, config, form)
        return
    from registry.usecases import verification  # noqa: PLC0415  heavy

    with admin.opened(config) as registry, progress.of_phases() as told:
        root = registry.trust_root() if trust is None else options.trust_root(trust)
        found = verification.verify(registry, root, told)
    _print_findings(found, form, verdict="intact")
    if trust is None:
        _warn_of_trust()
    if found.flaws:
        raise errors.IntegrityError(
            f"{len(found.flaws)} things are not as the log says",
            fix="keep a copy as evidence, then restore a backup from before the damage",
        )


def _print_backup(done: "BackedUp", form: output.Form, *, with_keys: bool) -> None:
    if form.is_data:
        output.print_document(
            form,
            {
                "folder": str(done.folder),
                "entries": done.entries,
                "rows": done.rows,
                "blobs": done.blobs,
                "blobBytes": done.blob_bytes,
                "copied": done.copied,
                "missing": done.missing,
                "keys": with_keys,
            },
        )
    else:
        output.print_fields(
            [
                ("backup", done.folder),
                ("log", f"{done.entries} entries"),
                ("rows", done.rows),
                ("bytes", f"{output.size(done.blob_bytes)} in {done.blobs} blobs"),
                ("copied now", f"{done.copied} blobs"),
                ("keys", "in it: keep it as safe as them" if with_keys else "left out"),
            ]
        )


def _verify_backup(folder: Path, config: Path, form: output.Form) -> None:
    from registry.store.archive import Archive  # noqa: PLC0415  heavy
    from registry.usecases import inventory, key_providers, sealed_copies  # noqa: PLC0415  heavy
    from registry.usecases import restore as restoring  # noqa: PLC0415  heavy

    source = Archive(folder)
    with progress.of_phases() as told:
        manifest = restoring.check(restoring.Wish(source, despite_missing=True))
        is_encrypted = sealed_copies.is_encrypted(manifest)
        provider = key_providers.existing(admin.settings_of(config)) if is_encrypted else None
        inventory.check_blobs(source, manifest, provider, told)
    said = {
        "verdict": "intact",
        "taken": manifest.taken,
        "files": len(manifest.files),
        "blobs": manifest.blobs,
        "bytes": manifest.blob_bytes,
        "keys": manifest.with_keys,
        "missing": manifest.missing,
    }
    if form.is_data:
        output.print_document(form, said)
    else:
        output.print_fields((said | {"bytes": output.size(manifest.blob_bytes)}).items())


def _print_findings(found: "Findings", form: output.Form, *, verdict: str) -> None:
    said = "damaged" if found.flaws else verdict
    if form.is_data:
        output.print_document(
            form,
            {
                "verdict": said,
                "entries": found.entries,
                "root": found.root,
                "variants": found.variants,
                "blobs": found.blobs,
                "blobBytes": found.blob_bytes,
                "flaws": [{"what": flaw.what, "why": flaw.why} for flaw in found.flaws],
                "unlistedPublishers": found.unlisted,
            },
        )
        return
    if found.flaws:
        output.print_table(("what", "why"), [(flaw.what, flaw.why) for flaw in found.flaws])
        typer.echo()
    output.print_fields(
        [
            ("verdict", said),
            ("log", f"{found.entries} entries, root {found.root}"),
            ("versions", f"{found.variants} variants"),
            ("bytes", f"{output.size(found.blob_bytes)} in {found.blobs} blobs, each read"),
        ]
    )
    for publisher, count in sorted(found.unlisted.items()):
        output.message(
            f"publisher {publisher} is listed no more: {count} signatures were not checked again"
        )


def _warn_of_trust() -> None:
    output.message(
        "checked with its own trust root: this shows that it is whole, not whose it is. "
        "Name a trust root that you keep elsewhere with --trust."
    )
