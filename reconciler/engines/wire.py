"""One HTTP request to what an engine runs, and waiting for what it should answer."""

import http.client
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from registry import errors


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    timeout: float = 2.0,
) -> Answer:
    """The answer to one request on a connection of its own; `timeout` is in seconds.

    Raises `errors.EngineUnreachable` when none came.
    """
    parts = urlsplit(url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        link.request(method, parts.path, body=body or None, headers=dict(headers or {}))
        reply = link.getresponse()
        kept = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(reply.status, kept, reply.read())
    except (OSError, http.client.HTTPException) as error:
        raise errors.EngineUnreachable(
            f"{url} did not answer: {str(error) or type(error).__name__}",
            fix="check that the host is up and that its ports can be reached from here",
        ) from error
    finally:
        link.close()


def until(is_so: Callable[[], bool], *, timeout: float, every: float = 0.02) -> bool:
    """Ask again and again; True as soon as it is so, False when `timeout` seconds have passed."""
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
