"""Clients that ask and ask, and remember every answer that was not a good one."""

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from reconciler.engines import wire


def _here() -> None:
    """From where the tests run."""


@dataclass
class Load:
    """`answers` counts by version; `failures` holds what else came. Between two requests a client
    waits for `pause` seconds. Each calls `enter` in its own thread first."""

    url: str
    body: bytes = b'{"instances": []}'
    pause: float = 0.0
    enter: Callable[[], None] = _here
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def ask_on_one_connection(self) -> None:
        self.enter()
        link = self._connect()
        while not self.stopping.wait(self.pause):
            self._ask(link)
        link.close()

    def ask_on_fresh_connections(self) -> None:
        self.enter()
        while not self.stopping.wait(self.pause):
            link = self._connect()
            self._ask(link)
            link.close()

    def await_answers(self, count: int) -> None:
        """Return once there are so many more."""
        wanted = self.answers.total() + count
        assert wire.until(lambda: self.answers.total() >= wanted, timeout=60), self.answers

    def _connect(self) -> http.client.HTTPConnection:
        address = urlsplit(self.url)
        return http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)

    def _ask(self, link: http.client.HTTPConnection) -> None:
        try:
            link.request("POST", "/v1/models/digits:predict", body=self.body)
            answer = link.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
            link.close()
            return
        if answer.status == 200:
            self.answers[answer.headers["plimsoll-version"]] += 1
        else:
            self.failures.append(f"status {answer.status}")


@contextmanager
def running(
    url: str,
    *,
    clients: int = 4,
    body: bytes = Load.body,
    pause: float = Load.pause,
    enter: Callable[[], None] = _here,
) -> Iterator[Load]:
    """Half of the clients keep their connections, half open one for each request."""
    load = Load(url, body, pause, enter)
    kinds = (load.ask_on_one_connection, load.ask_on_fresh_connections)
    threads = [threading.Thread(target=kinds[n % 2]) for n in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopping.set()
        for thread in threads:
            thread.join()
