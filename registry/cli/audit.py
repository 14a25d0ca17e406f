"""`plimsoll audit`: the log of all that happened, read, and checked from its first entry."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import history, options, output
from registry.core import entries, note, trustroot
from registry.core.entries import Entry

if TYPE_CHECKING:
    from registry.cli.client import Client

app = typer.Typer()
audit_app = typer.Typer(no_args_is_help=True, help="The log of all that happened.")
app.add_typer(audit_app, name="audit")

_TITLES = ("index", "time", "kind", "model", "host", "deployment", "commit", "actor", "reason")


@audit_app.command()
def verify(
    trust: options.Trust = None,
    last_checkpoint: Annotated[
        Path | None,
        typer.Option(help="Remembers the log as it was last seen; made at the first time."),
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Check the whole log, and print what ran where, when, and from which commit."""
    with options.connect(server, token_file) as client:
        key = _log_key(client, trust)
        remembered = _remembered(last_checkpoint, key)
        checked = history.fetch(client, key, remembered)
    if last_checkpoint is not None:
        _remember(last_checkpoint, checked.checkpoint.text)
    extends = None if remembered is None else remembered.size
    if form is output.Form.JSON:
        output.print_json(_verdict(checked, extends))
    else:
        _print_verdict(checked, extends)


@audit_app.command("log")
def show_log(  # noqa: PLR0913, PLR0917  the options of a command
    model: Annotated[str, typer.Option(help="Only entries about this model.")] = "",
    host: Annotated[str, typer.Option(help="Only entries about this host.")] = "",
    kind: Annotated[str, typer.Option(help="Only entries of this kind, such as deployed.")] = "",
    last: Annotated[int, typer.Option(min=1, help="How many of the newest to read.")] = 100,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """The newest entries, as the registry shows them; `audit verify` checks them."""
    wanted = {"model": model, "host": host, "kind": str(entries.kind(kind)) if kind else ""}
    with options.connect(server, token_file) as client:
        newest = _newest(client, last)
    found = [
        (index, entry)
        for index, entry in newest
        if all(not value or getattr(entry, name) == value for name, value in wanted.items())
    ]
    if form is output.Form.JSON:
        output.print_json([{"index": index, **asdict(entry)} for index, entry in found])
        return
    output.print_table(_TITLES, [_row(index, entry) for index, entry in found])


def _verdict(checked: history.History, extends: int | None) -> dict[str, object]:
    return {
        "verdict": "intact",
        "size": checked.checkpoint.size,
        "root": checked.checkpoint.root.hex(),
        "origin": checked.checkpoint.origin,
        "extends": extends,
        "runs": [asdict(run) for run in history.runs(checked.entries)],
    }


def _print_verdict(checked: history.History, extends: int | None) -> None:
    output.print_table(
        ("deployment", "host", "version", "from", "until", "commit", "why"),
        [
            (run.deployment, run.host, f"{run.model}@{run.version}", run.since,
             run.until or "now", run.commit[:12], run.reason)
            for run in history.runs(checked.entries)
        ],
    )  # fmt: skip
    seen = checked.checkpoint
    before = "" if extends is None else f", extends the {extends} seen before"
    typer.echo(
        f"\nintact: {seen.size} entries, root {seen.root.hex()}, signed by {seen.origin}{before}"
    )


def _newest(client: "Client", count: int) -> list[tuple[int, Entry]]:
    size = client.log_page(0, 1).size
    start, found = max(0, size - count), []
    while start < size:
        page = client.log_page(start, min(history.PAGE, size - start))
        if not page.leaves:
            break
        found += [(index, entries.decode(leaf)) for index, leaf in page.leaves]
        start += len(page.leaves)
    return found


def _row(index: int, entry: Entry) -> tuple[object, ...]:
    version = f"{entry.model}@{entry.version}" if entry.version else entry.model
    return (
        index, entry.time, entry.kind, version, entry.host, entry.deployment,
        entry.commit[:12], entry.actor, entry.reason,
    )  # fmt: skip


def _log_key(client: "Client", trust: Path | None) -> note.LogKey:
    if trust is not None:
        return options.trust_root(trust).log
    output.message(
        "warning: the log's key was taken from the registry itself: this shows that the log is "
        "whole, not whose it is. Name a trust root with --trust."
    )
    return trustroot.parse(client.trust()).log


def _remembered(path: Path | None, key: note.LogKey) -> note.Checkpoint | None:
    if path is None or not path.exists():
        return None
    try:
        return note.verify_checkpoint(path.read_text(encoding="utf-8"), key)
    except (OSError, UnicodeDecodeError, errors.InvalidInput, errors.SignatureInvalid) as error:
        raise errors.InvalidConfig(
            f"{path}: not a checkpoint of this log: {error}",
            fix="name the file of an earlier `audit verify` of the same registry",
        ) from error


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
