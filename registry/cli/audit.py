"""`plimsoll audit verify`: the log of all that happened, checked."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import audit_source, options, output
from registry.core.audit import timeline
from registry.core.audit.findings import Findings
from registry.core.audit.timeline import Interval, Timeline

if TYPE_CHECKING:
    pass

app = typer.Typer()
audit_app = typer.Typer(no_args_is_help=True, help="The log of all that happened.")
app.add_typer(audit_app, name="audit")

_SHOWN = 50


@audit_app.command()
def verify(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="An exported bundle; without it, the registry's log is checked."),
    ] = None,
    trust: options.Trust = None,
    last_checkpoint: Annotated[
        Path | None,
        typer.Option(help="Remembers the log as it was last seen; made at the first time."),
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Check a bundle offline, or a registry's whole log, and print what ran where and when."""
    served = Timeline()
    asked = audit_source.Asked(bundle, trust, server, token_file)
    with audit_source.opened(asked) as source:
        seen = audit_source.remembered(last_checkpoint, source.trust)
        for recorded in source.walk(seen):
            served.add(recorded.index, recorded.entry)
        source.require_sound()
    found = source.found
    if last_checkpoint is not None:
        _remember(last_checkpoint, found.signed.text)
    extends = [one.size for one in (*found.earlier, *seen)]
    runs = timeline.served(served.intervals)
    if form.is_data:
        output.print_document(form, _verdict(found, extends, runs))
    else:
        _print_verdict(found, extends, runs)


def _verdict(found: Findings, extends: list[int], runs: list[Interval]) -> dict[str, object]:
    signed = found.signed
    return {
        "verdict": "intact",
        "size": signed.size,
        "root": signed.root.hex(),
        "origin": signed.origin,
        "witnesses": list(found.witnesses),
        "documents": found.documents,
        "erased": found.erased,
        "extends": max(extends, default=None),
        "notices": found.notices,
        "runs": [_run(run) for run in runs],
    }


def _run(run: Interval) -> dict[str, object]:
    return {
        "deployment": run.deployment,
        "host": run.host,
        "model": run.model,
        "version": run.version,
        "digest": run.digest,
        "since": run.since.time if run.since else "",
        "until": run.until.time if run.until else "",
        "commit": run.commit,
        "reason": run.reason,
    }


def _print_verdict(found: Findings, extends: list[int], runs: list[Interval]) -> None:
    output.print_table(
        ("deployment", "host", "version", "from", "until", "commit", "why"),
        [
            (run.deployment, run.host, f"{run.model}@{run.version}",
             run.since.time if run.since else "", run.until.time if run.until else "now",
             run.commit[:12], run.reason)
            for run in runs[-_SHOWN:]
        ],
    )  # fmt: skip
    if len(runs) > _SHOWN:
        typer.echo(f"and {len(runs) - _SHOWN} before them: see `plimsoll audit query --served`")
    signed = found.signed
    before = f", extends the {max(extends)} seen before" if extends else ""
    typer.echo(
        f"\nintact: {signed.size} entries, root {signed.root.hex()}, signed by "
        f"{' and '.join((signed.origin, *found.witnesses))}, {found.documents} documents{before}"
    )


def _remember(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: the checkpoint cannot be kept: {error.strerror}",
            fix="name a file in a folder that this user may write to",
        ) from error
