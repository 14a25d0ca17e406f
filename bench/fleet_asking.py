"""Clients of a fleet: a steady rate over all of its hosts, and one who asks who answers."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench import lan, load, models, paced


def answering(address: str, model: str) -> str:
    """The digest of whatever version answers a client of that host now; empty where none does."""
    link = http.client.HTTPConnection(address, lan.PORT, timeout=10)
    try:
        body = json.dumps({"instances": [models.INPUT]})
        link.request("POST", f"/v1/models/{model}:predict", body)
        answer = link.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        link.close()
    return answer.getheader("plimsoll-digest", "") if answer.status == 200 else ""


@contextmanager
def crowd(
    addresses: Sequence[str], model: str, body: bytes, *, rate: float
) -> Iterator[list[paced.Answered]]:
    """`rate` requests a second over all `addresses`; what was answered is there at the end."""
    found: list[paced.Answered] = []
    over = threading.Event()
    path = f"/v1/models/{model}:predict"
    asked = [load.Asked(lan.PORT, path, body, address=one) for one in addresses]

    async def work() -> None:
        await asyncio.to_thread(over.wait)

    async def ask() -> None:
        share = rate / len(asked)
        for part in await asyncio.gather(*(paced.ask(one, rate=share, work=work) for one in asked)):
            found.extend(part)

    thread = threading.Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
