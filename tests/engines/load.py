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
    waits for `pause` seconds. Each calls `enter` in its own thread first. `ended` counts what each
    of the `clients` has asked to the end, well or not."""

    url: str
    body: bytes = b'{"instances": []}'
    pause: float = 0.0
    enter: Callable[[], None] = _here
    clients: int = 0
    ended: Counter[int] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def ask_on_one_connection(self) -> None:
        self.enter()
        link = self._connect()
        while not self.stopping.wait(self.pause):
            self._ask(link)
            self.ended[threading.get_ident()] += 1
        link.close()

    def ask_on_fresh_connections(self) -> None:
        self.enter()
        while not self.stopping.wait(self.pause):
            link = self._connect()
            self._ask(link)
            self.ended[threading.get_ident()] += 1
            link.close()

    def await_answers(self, count: int) -> None:
        """Return once there are so many more."""
        wanted = self.answers.total() + count
        assert wire.until(lambda: self.answers.total() >= wanted, timeout=60), self.answers

    def await_everybody(self, requests: int = 2) -> None:
        """Return once each client has asked so often more: of two, the second began after this
        call, so that nothing is left of what was under way."""
        before = Counter(self.ended)

        def is_so() -> bool:
            now = Counter(self.ended)
            is_done = all(now[one] - before[one] >= requests for one in now)
            return is_done and len(now) == self.clients

        assert wire.until(is_so, timeout=60), (before, self.ended)

    def _connect(self) -> http.client.HTTPConnection:
        address = urlsplit(self.url)
        return http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)

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
    load = Load(url, body, pause, enter, clients)
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
