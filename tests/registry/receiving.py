"""A receiver of webhooks: a real HTTP server that keeps what came and answers as it is told."""

import itertools
import json
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

from registry.settings import Sending
from registry.usecases import reports
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.reports import Event

RECONCILER = Caller(Role.RECONCILER, "main")
# Small pauses, and receivers on this machine, which may stand still for long.
LOCAL = Sending(
    hosts=("127.0.0.1", "localhost"), attempts=3, seconds=60, first_pause=0.02, longest_pause=0.05
)
_numbers = itertools.count()


def report(registry: Registry, kind: str = "deployed", **fields: Any) -> int:
    """Put an event into the log; returns its index."""
    event = Event(id=f"event-{next(_numbers)}", kind=kind, **fields)
    return reports.record(registry, event, RECONCILER).index


@dataclass(frozen=True)
class Received:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The event, once the CloudEvents project's own package has read it."""
        read = from_structured_event(HTTPMessage(self.headers, self.body))
        document: dict[str, Any] = json.loads(self.body)
        assert read.get_id() == document["id"] == self.headers["webhook-id"]
        return document

    @property
    def kind(self) -> str:
        return str(self.document["data"]["kind"])


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """An empty answer with this status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


OK = status(204)


@dataclass
class Receiver:
    """`answers` are given one after the other, then `then` for ever; None of it is mocked."""

    url: str
    then: Answer = OK
    answers: list[Answer] = field(default_factory=list)
    arrived: "queue.Queue[Received]" = field(default_factory=queue.Queue)
    taken: list[Received] = field(default_factory=list)

    def next(self) -> Received:
        """What comes next, waiting for it."""
        found = self.arrived.get(timeout=60)
        self.taken.append(found)
        return found

    def kinds(self, count: int) -> list[str]:
        return [self.next().kind for _ in range(count)]

    def is_quiet(self) -> bool:
        return self.arrived.empty()


@contextmanager
def receiving(certificate: Path | None = None) -> Iterator[Receiver]:
    """Over TLS where there is a certificate, with its key in one file."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                answer = receiver.answers.pop(0) if receiver.answers else receiver.then
            receiver.arrived.put(Received(headers, body))
            answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing: pytest shows what matters."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True  # the sender hung up, as some tests want

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """The sender hung up."""

    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook?team=risk")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
