"""The demo's clients: people who ask for predictions, all the time, over real HTTP."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction: the digit, and which version said so."""

    digit: int
    version: str
    digest: str


def predict(port: int, image: Sequence[float]) -> Answer:
    """Ask `digits` on this machine; raises `OSError` for anything but a good answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        return _ask(connection, image)
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, image: Sequence[float]) -> Answer:
    body = json.dumps({"instances": [list(image)]})
    connection.request("POST", "/v1/models/digits:predict", body)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise OSError(f"status {answer.status}: {said[:200].decode(errors='replace')}")
    scores = json.loads(said)["predictions"][0]
    return Answer(
        digit=max(range(len(scores)), key=scores.__getitem__),
        version=answer.getheader("plimsoll-version", ""),
        digest=answer.getheader("plimsoll-digest", ""),
    )


@dataclass
class Crowd:
    """`size` clients on kept-alive connections, without a pause, between enter and exit.

    Afterwards `failures` holds every request that was not answered with a prediction, and
    `versions` counts the answers by version.
    """

    port: int
    images: Sequence[Sequence[float]]
    size: int = 4
    failures: list[str] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._client) for _ in range(self.size)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        """How many predictions came back."""
        return sum(self.versions.values())

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        turn = 0
        while not self._stop.is_set():
            try:
                answer = _ask(connection, self.images[turn % len(self.images)])
                self.versions[answer.version] += 1
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                connection.close()
                self._stop.wait(0.2)
            turn += 1
        connection.close()
