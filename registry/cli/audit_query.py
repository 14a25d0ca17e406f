"""`plimsoll audit query`: who, what, when, where; and what served at a moment of the past."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from registry.cli import audit, audit_log, audit_source, options, output
from registry.cli.audit_source import Source
from registry.core import entries, trustroot
from registry.core.audit import answers, timeline
from registry.core.audit.answers import Answer, History
from registry.core.audit.check import Recorded
from registry.core.audit.criteria import Criteria
from registry.core.audit.timeline import Clock, State
from registry.core.canonical import Json

app = audit.app

_TITLES = (
    "host", "deployment", "version", "state", "since", "until", "commit", "publisher",
    "approved by", "evidence",
)  # fmt: skip


class Form(StrEnum):
    """How answers are printed; as lines, each is one JSON document."""

    TABLE = "table"
    JSON = "json"
    LINES = "lines"


@audit.audit_app.command()
def query(  # noqa: PLR0913, PLR0917  the options of a command
    host: Annotated[str, typer.Option(help="Only what is about this host.")] = "",
    deployment: Annotated[str, typer.Option(help="Such as production/fraud.")] = "",
    model: Annotated[str, typer.Option(help="Only what is about this model.")] = "",
    version: Annotated[int, typer.Option(help="Only this version, with --model.")] = 0,
    digest: Annotated[str, typer.Option(help="Its first 7 digits or more.")] = "",
    actor: Annotated[
        str, typer.Option("--actor", "--person", help="role:name, the name alone, or a signer.")
    ] = "",
    commit: Annotated[str, typer.Option(help="Its first 7 digits or more.")] = "",
    kind: Annotated[str, typer.Option(help="Only entries of this kind, such as approved.")] = "",
    since: Annotated[str, typer.Option("--from", help="The first moment, RFC 3339.")] = "",
    until: Annotated[str, typer.Option("--to", help="The last moment, RFC 3339.")] = "",
    at: Annotated[str, typer.Option(help="What served at this moment, RFC 3339.")] = "",
    served: Annotated[  # noqa: FBT002  an option
        bool, typer.Option("--served", help="What served, from when to when, over all time.")
    ] = False,
    bundle: audit_source.Bundle = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: Annotated[Form, typer.Option("--output", "-o", help="How to print.")] = Form.TABLE,
) -> None:
    """Ask a bundle or a registry. The log is checked whole, first to last, before any answer."""
    wanted = Criteria(
        host, deployment, model, version, digest, actor, commit,
        entries.kind(kind) if kind else None, _moment("--from", since), _moment("--to", until),
    )  # fmt: skip
    moment = _moment("--at", at)
    with audit_source.opened(audit_source.Asked(bundle, trust, server, token_file)) as source:
        if moment is not None or served:
            _print_answers(_answers(source, wanted, moment), form)
        else:
            _print_entries(_entries(source, wanted), form)


def _answers(source: Source, wanted: Criteria, moment: datetime | None) -> list[Answer]:
    history, clock = History(), None if moment is None else Clock(moment)
    for recorded in source.walk():
        history.add(recorded)
        if clock is not None:
            clock.see(recorded.index, recorded.entry.time)
    source.require_sound()
    if clock is None:
        found = [
            history.answer(one, State.SERVING, one.since.index + 1)
            for one in timeline.served(history.timeline.intervals)
            if one.since is not None
        ]
    else:
        found = list(history.at(clock.size))
        _say_where(clock)
    return [one for one in found if wanted.fit_interval(one.interval)]


def _entries(source: Source, wanted: Criteria) -> list[Recorded]:
    found = [
        one
        for one in source.walk()
        if wanted.fit(one.entry, signer=one.said.signer if one.said else "")
    ]
    source.require_sound()
    return found


def _say_where(clock: Clock) -> None:
    output.message(f"as of the log's first {clock.size} entries")
    if clock.late is not None:
        output.message(
            f"note: the registry's clock once went back: entry {clock.late} claims an earlier time "
            "than that. The log's order was followed."
        )


def _print_answers(found: list[Answer], form: Form) -> None:
    if form is not Form.TABLE:
        _print_documents((answers.document(one) for one in found), form)
        return
    output.print_table(_TITLES, [_row(one) for one in found])


def _print_entries(found: list[Recorded], form: Form) -> None:
    if form is not Form.TABLE:
        _print_documents(({"index": one.index, **asdict(one.entry)} for one in found), form)
        return
    audit_log.print_entries([(one.index, one.entry) for one in found], output.Listing.TABLE)


def _print_documents(documents: Iterator[dict[str, Json]], form: Form) -> None:
    if form is Form.JSON:
        output.print_json(list(documents))
        return
    for one in documents:
        typer.echo(json.dumps(one, ensure_ascii=False, separators=(",", ":")))


def _row(one: Answer) -> tuple[object, ...]:
    interval = one.interval
    begun = interval.since or interval.announced
    return (
        interval.host,
        interval.deployment,
        f"{interval.model}@{interval.version}",
        one.state,
        begun.time if begun else "",
        interval.until.time if interval.until else "now",
        interval.commit[:12],
        one.publisher,
        ", ".join(logged.said.signer for logged in one.approvals if logged.said),
        ", ".join(f"{logged.said.kind} by {logged.said.signer}" for logged in one.evidence
                  if logged.said),
    )  # fmt: skip


def _moment(option: str, text: str) -> datetime | None:
    return trustroot.instant(text, what=option) if text else None
