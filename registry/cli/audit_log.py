"""`plimsoll audit log`: the newest entries that fit, or a file with the proof of each."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from registry import errors
from registry.cli import audit, options, output
from registry.core import entries, fields
from registry.core.audit import timeline
from registry.core.canonical import Json
from registry.core.entries import Entry
from registry.core.history import entry_of

if TYPE_CHECKING:
    from registry.cli.client import Client

app = audit.app

Pairs = list[tuple[str, str]]

_TITLES = ("index", "time", "kind", "model", "host", "deployment", "commit", "actor", "reason")
_PAGE = 1000


@audit.audit_app.command("log")
def show_log(  # noqa: PLR0913, PLR0917  the options of a command
    model: Annotated[str, typer.Option(help="Only entries about this model.")] = "",
    version: Annotated[int, typer.Option(help="Only this version, with --model.", min=0)] = 0,
    host: Annotated[str, typer.Option(help="Only entries about this host.")] = "",
    deployment: Annotated[str, typer.Option(help="Such as production/fraud.")] = "",
    actor: Annotated[str, typer.Option(help="role:name, the name alone, or a signer.")] = "",
    person: Annotated[str, typer.Option(help="By what their provider calls them.")] = "",
    kind: Annotated[str, typer.Option(help="Only entries of this kind, such as deployed.")] = "",
    since: Annotated[str, typer.Option("--from", help="The first moment, RFC 3339.")] = "",
    until: Annotated[str, typer.Option("--to", help="The last moment, RFC 3339.")] = "",
    last: Annotated[int, typer.Option(min=1, help="How many of the newest that fit.")] = 100,
    out: Annotated[
        Path | None, typer.Option(help="Write them into this file, each with its proof.")
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """The newest entries that fit, as the registry shows them; `audit verify` checks them."""
    said = {
        "model": model, "version": str(version or ""), "host": host, "deployment": deployment,
        "actor": actor, "kind": str(entries.kind(kind)) if kind else "",
        "since": _moment("--from", since), "until": _moment("--to", until),
    }  # fmt: skip
    asked: Pairs = [(name, value) for name, value in said.items() if value]
    with options.connect(server, token_file) as client:
        asked += [("actor", name) for name in _pseudonyms(client, person)] if person else []
        if out is not None:
            _write(client, asked, last, out)
        elif client.has_token or asked:
            print_entries(_found(client, asked, last), form)
        else:
            print_entries(_newest(client, last), form)


def print_entries(found: Sequence[tuple[int, Entry]], form: output.Listing) -> None:
    """Entries with where they stand, for people or for programs."""
    if form.is_data:
        output.print_document(form, [{"index": index, **asdict(entry)} for index, entry in found])
        return
    output.print_listing(form, _TITLES, [_row(index, entry) for index, entry in found])


def _pseudonyms(client: "Client", person: str) -> list[str]:
    """The name goes into no address: only what it stands for in the log does."""
    body = json.dumps({"called": person}).encode()
    answer = client.document("POST", "/v1/persons/find", body)
    found = fields.objects(answer, "persons", what="persons")
    return [fields.text(one, "pseudonym", what="person") for one in found]


def _found(client: "Client", asked: Pairs, count: int) -> list[tuple[int, Entry]]:
    """In the order of the log; a kind that this release does not know is left out."""
    found: list[tuple[int, Entry]] = []
    before: Json = None
    while len(found) < count:
        more = [("limit", str(min(_PAGE, count - len(found))))]
        more += [] if before is None else [("before", str(before))]
        answer = client.document("GET", f"/v1/log/entries?{urlencode([*asked, *more])}")
        for item in fields.objects(answer, "entries", what="log"):
            entry = entry_of(fields.mapping(item, "entry", what="log"))
            if entry is not None:
                found.append((fields.integer(item, "index", what="log"), entry))
        before = answer.get("before")
        if before is None:
            break
    return found[::-1]


def _newest(client: "Client", count: int) -> list[tuple[int, Entry]]:
    """From what is open to everybody, leaf by leaf."""
    size = client.log_page(0, 1).size
    start, found = max(0, size - count), []
    while start < size:
        page = client.log_page(start, min(_PAGE, size - start))
        if not page.leaves:
            break
        found += [(index, entries.decode(leaf)) for index, leaf in page.leaves]
        start += len(page.leaves)
    return found


def _write(client: "Client", asked: Pairs, count: int, out: Path) -> None:
    if count > _PAGE:
        raise errors.InvalidInput(
            f"one file has up to {_PAGE} entries with their proofs",
            fix=f"say --last {_PAGE}, and --to for those before",
        )
    pairs = urlencode([*asked, ("limit", str(count))])
    content = client.call("GET", f"/v1/log/entries.tar?{pairs}").content
    try:
        out.write_bytes(content)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{out}: the entries cannot be written: {error.strerror}", fix="name another file"
        ) from error
    typer.echo(f"{out}: check it with: plimsoll audit proof --check {out}")


def _moment(option: str, text: str) -> str:
    """As the registry takes it; raises InvalidInput."""
    if not text:
        return ""
    found: datetime | None = timeline.moment_of(text)
    if found is None:
        raise errors.InvalidInput(
            f"{option} {text!r} is no moment", fix="write RFC 3339, such as 2026-11-23T12:00:00Z"
        )
    return found.isoformat()


def _row(index: int, entry: Entry) -> tuple[object, ...]:
    version = f"{entry.model}@{entry.version}" if entry.version else entry.model
    return (
        index, entry.time, entry.kind, version, entry.host, entry.deployment,
        entry.commit[:12], entry.actor, entry.reason,
    )  # fmt: skip
