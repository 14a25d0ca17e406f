"""`plimsoll wait`: until a deployment is as it should be, cannot become so, or time is over."""

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import options, output, status
from registry.core import awaiting
from registry.core.awaiting import Goal, Hopeless, Reached, Waiting
from registry.core.canonical import Json

if TYPE_CHECKING:
    from registry.cli.client import Client

app = typer.Typer()

# The log tells of what was done; the status that says so follows within a round of the reconciler.
_LOOK_S, _SOON_S = 2.0, 0.3


@app.command()
def wait(  # noqa: PLR0913, PLR0917  the options of a command
    deployment: status.Deployment,
    wanted: Annotated[
        str, typer.Option("--for", help="Some of synced, healthy, verified.")
    ] = "synced,healthy",
    timeout: Annotated[str, typer.Option(help="How long: 90s, 5m, 1h.")] = "5m",
    commit: Annotated[
        str, typer.Option(help="Not before Git's state is from this commit; its first 7 digits do.")
    ] = "",
    version: Annotated[
        int, typer.Option(min=0, help="Not before this version is what is asked for.")
    ] = 0,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Wait until a deployment is in sync and healthy. Ends with 6 when the time is over, with 1
    at once when it cannot come true any more."""
    key = status.key(deployment)
    goal = Goal(awaiting.conditions(wanted), version, _commit(commit))
    seconds = _seconds(timeout)
    began = time.monotonic()
    from registry.cli import streaming  # noqa: PLC0415  only here and for `events -f`

    with (
        options.connect(server, token_file) as client,
        options.connect(server, token_file) as listener,
        streaming.news(listener, key) as news,
    ):
        document = _wait(client, news, Awaited(key, goal, began + seconds, timeout))
    if form.is_data:
        output.print_document(form, document)
    else:
        words = " and ".join(awaiting.CONDITIONS[one][1].lower() for one in goal.conditions)
        version_now = status.version_of(document.get("desired"))
        typer.echo(f"{key}: {words}: {version_now} after {time.monotonic() - began:.1f} s")


@dataclass(frozen=True, slots=True)
class Awaited:
    """What is waited for of `key`; `deadline` on the monotonic clock, `timeout` as it was given."""

    key: str
    goal: Goal
    deadline: float
    timeout: str


def _wait(client: "Client", news: threading.Event, awaited: Awaited) -> dict[str, Json]:
    key, goal, told, was_at_commit = awaited.key, awaited.goal, "", False
    while True:
        document = _look(client, key)
        was_at_commit = was_at_commit or awaiting.is_at(document, goal.commit)
        match awaiting.standing(document, goal, was_at_commit=was_at_commit):
            case Reached():
                return document or {}
            case Hopeless(text, fix):
                raise errors.Conflict(f"{key}: {text}", fix=fix)
            case Waiting(text):
                if text != told:
                    output.message(f"{key}: {output.plain(text)}")
                told = text
        left = awaited.deadline - time.monotonic()
        if left <= 0:
            raise errors.WaitTimedOut(
                f"{key}: {told}, after {awaited.timeout}", fix=f"see: plimsoll status {key}"
            )
        if news.wait(min(_LOOK_S, left)):
            news.clear()
            time.sleep(min(_SOON_S, left))


def _look(client: "Client", key: str) -> dict[str, Json] | None:
    """None while nobody has told of it; a registry that restarts is waited for as well."""
    try:
        return client.deployment(key)
    except errors.NotFound:
        return None


def _seconds(text: str) -> float:
    from registry.core import strict  # noqa: PLC0415  heavy

    try:
        return float(strict.duration_seconds(text))
    except ValueError as error:
        raise errors.InvalidInput(f"--timeout: {error}", fix="write it like 90s or 5m") from error


def _commit(text: str) -> str:
    if text and (len(text) < 7 or set(text) - set("0123456789abcdef")):
        raise errors.InvalidInput(
            f"--commit: {text[:70]!r} is no commit id",
            fix="give 7 of its hexadecimal digits or more",
        )
    return text
