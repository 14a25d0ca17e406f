"""`plimsoll history` and `events`: what became of a deployment, as the registry's log tells it."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from registry.cli import options, output, status
from registry.core import entries, fields
from registry.core.canonical import Json
from registry.core.entries import Entry
from registry.core.history import Asked, entry_of, of

if TYPE_CHECKING:
    from registry.cli.client import Client

app = typer.Typer()
Told = tuple[int, Entry]

_MOST = 1000
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_TITLES = (
    "version", "outcome", "since", "took", "hosts", "commit", "signed by", "digest", "reason"
)  # fmt: skip


@app.command()
def history(
    deployment: status.Deployment,
    last: Annotated[int, typer.Option(min=1, max=500, help="How many versions to tell of.")] = 20,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """Every version that was asked for, the newest first, and what became of it."""
    key = status.key(deployment)
    with options.connect(server, token_file) as client:
        found = _asked(client, key, last)
    found.reverse()
    if form.is_data:
        output.print_document(form, [_document(one) for one in found])
        return
    output.print_listing(form, _TITLES, [_row(one) for one in found], wide=("digest",))
    if not found:
        output.message(f"the log tells of nothing that was asked of {key}")


@app.command()
def events(
    deployment: status.Deployment,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on telling, until Ctrl-C.")
    ] = False,
    last: Annotated[int, typer.Option(min=0, max=_MOST, help="How many to begin with.")] = 20,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """What the log tells of a deployment, in order; as JSON, a document a line."""
    key = status.key(deployment)
    with options.connect(server, token_file) as client:
        size = client.log_page(0, 1).size
        found: list[Told] = []
        for told in _backwards(client, key) if last else ():
            found.append(told)
            if len(found) == last:
                break
        found.reverse()
        for index, entry in found:
            _print(index, entry, form)
        after = max([size - 1, *(index for index, _ in found)])
        for index, entry in _stream(client, key, after) if follow else ():
            _print(index, entry, form)


def _stream(client: "Client", key: str, after: int) -> Iterator[Told]:
    """What is new from the entry behind `after` on, for ever."""
    from registry.cli import streaming  # noqa: PLC0415  only for who follows

    for event in streaming.events(client, after, deployment=key):
        data = event.get("data")
        entry = entry_of(data) if isinstance(data, dict) else None
        if entry is not None:
            yield int(str(event.get("id"))), entry


def _asked(client: "Client", key: str, count: int) -> list[Asked]:
    """The last `count`; what is older is read only as far as the oldest of them goes."""
    told: list[Told] = []
    found: list[Asked] = []
    for page in _pages(client, key, told):
        told += page
        found = of(reversed(told))
        if len(found) > count:
            break
    return found[-count:]


def _backwards(client: "Client", key: str) -> Iterator[Told]:
    told: list[Told] = []
    for page in _pages(client, key, told):
        told += page
        yield from page


def _pages(client: "Client", key: str, told: list[Told]) -> Iterator[list[Told]]:
    """The newest first; what is in `told` already names the commits that are asked about."""
    before: Json = None
    while True:
        commits = dict.fromkeys(
            entry.commit for _, entry in told if _COMMIT.fullmatch(entry.commit)
        )
        asked = [("limit", str(_MOST)), *(("commit", one) for one in list(commits)[-50:])]
        asked += [] if before is None else [("before", str(before))]
        answer = client.document("GET", f"/v1/deployments/{key}/log?{urlencode(asked)}")
        page: list[Told] = []
        for item in fields.objects(answer, "entries", what="deployment's log"):
            entry = entry_of(fields.mapping(item, "entry", what="deployment's log"))
            if entry is not None:
                page.append((fields.integer(item, "index", what="deployment's log"), entry))
        yield page
        before = answer.get("before")
        if before is None:
            return


def _print(index: int, entry: Entry, form: output.Form) -> None:
    """A line at once: whoever follows reads it now."""
    if form.is_data:
        document = json.loads(entries.encode(entry))
        typer.echo(json.dumps({"index": index, **document}, ensure_ascii=False))
        return
    version = f"{entry.model}@{entry.version}" if entry.version else "-"
    when = entry.time[:19].replace("T", " ")
    line = f"{when}  {entry.kind:<16}  {version:<16}  {entry.host or '-':<12}  {entry.reason}"
    typer.echo(output.plain(line).rstrip())


def _row(one: Asked) -> tuple[object, ...]:
    return (
        f"{one.model}@{one.version}",
        one.outcome,
        one.since[:19].replace("T", " "),
        took(one.seconds),
        len(one.hosts) or "",
        one.commit[:12],
        one.by,
        one.digest,
        _why(one),
    )


def _why(one: Asked) -> str:
    """What a person did, and why it ended unless it simply serves."""
    quiet = one.outcome in ("serving", "replaced")
    return "; ".join([*([] if quiet or not one.reason else [one.reason]), *one.steered[-2:]])


def _document(one: Asked) -> dict[str, Json]:
    return {
        "model": one.model,
        "version": one.version,
        "digest": one.digest,
        "commit": one.commit,
        "signedBy": one.by,
        "outcome": str(one.outcome),
        "reason": one.reason,
        "since": one.since,
        "ended": one.ended or None,
        "seconds": one.seconds,
        "hosts": [*sorted(one.hosts)],
        "steered": [*one.steered],
        "entry": one.index,
    }


def took(seconds: float | None) -> str:
    """A duration for people: 12 s, 3 min 5 s, 2 h 4 min."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
