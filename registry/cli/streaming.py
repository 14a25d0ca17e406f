"""The registry's log as it grows, for who follows it: server-sent events, taken up again where
they broke off, so that nothing is missed and nothing comes twice.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from registry import errors
from registry.cli import wire
from registry.core import canonical
from registry.core.canonical import Json

if TYPE_CHECKING:
    from registry.cli.client import Client

_AGAIN_S = 2.0
_LINE_LIMIT = 1024 * 1024


def events(
    client: "Client", after: int, *, deployment: str, ended: threading.Event | None = None
) -> Iterator[dict[str, Json]]:
    """CloudEvents from behind entry `after` on, until `ended`. Raises what another try would not
    change: a token that is no good, say."""
    place, ended = after, ended or threading.Event()
    while not ended.is_set():
        wanted = urlencode({"after": place, "deployment": deployment})
        try:
            with client.receiving("GET", f"/v1/events/stream?{wanted}") as answer:
                for index, event in _read(answer):
                    place = max(place, index)
                    if event is not None:
                        yield event
        except (errors.Unavailable, *wire.BROKEN):
            ended.wait(_AGAIN_S)


@contextmanager
def news(client: "Client", deployment: str) -> Iterator[threading.Event]:
    """Set whenever the log tells something of it; `client` is for this alone. Nothing fails where
    there is no stream: whoever waits looks from time to time anyway."""
    told, ended = threading.Event(), threading.Event()
    after = client.log_page(0, 1).size - 1

    def listen() -> None:
        with suppress(errors.PlimsollError):
            for _ in events(client, after, deployment=deployment, ended=ended):
                told.set()

    listener = threading.Thread(target=listen, name="news", daemon=True)
    listener.start()
    try:
        yield told
    finally:
        ended.set()
        client.wire.interrupt()
        listener.join(_AGAIN_S)


def _read(answer: HTTPResponse) -> Iterator[tuple[int, dict[str, Json] | None]]:
    """Blocks as (index, event); one without an event only says how far the log was read."""
    index, data = -1, ""
    while line := answer.readline(_LINE_LIMIT):
        text = line.decode(errors="replace").rstrip("\r\n")
        name, _, value = text.partition(": ")
        if name == "id" and value.isdigit():
            index = int(value)
        elif name == "data":
            data = value
        elif not text:
            if index >= 0:
                yield index, canonical.decode_object(data, what="event") if data else None
            index, data = -1, ""
