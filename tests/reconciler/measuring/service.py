"""A service that answers what a test tells it to, on this machine."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from reconciler.config import Source, Sources
from reconciler.engines.protocol import Endpoint
from reconciler.measuring import Context, Site, Variant


@dataclass
class Service:
    """`answers` gives status and body by path; `asked` is what came: method, path, body, headers.

    Where `seconds` is not 0 each byte of a body takes so long; no answer comes before `answering`.
    """

    url: str = ""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    answering: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answering.set()


@contextmanager
def serving() -> Iterator[Service]:
    """A service until the block ends."""
    service = Service()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(service: Service) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            told = {name.lower(): value for name, value in self.headers.items()}
            service.asked.append((self.command, self.path, body, told))
            service.answering.wait(60)
            status, page = service.answers.get(self.path.partition("?")[0], (404, b"nothing"))
            self.send_response(status)
            for name, value in {"content-length": str(len(page)), **service.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # whoever asked may have left
                for at in range(0, len(page), step := 1 if service.seconds else len(page) or 1):
                    self.wfile.write(page[at : at + step])
                    time.sleep(service.seconds)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as inherited
            return

        do_GET = do_POST = answer  # noqa: N815  as inherited

    return Handler


def variant(service: Service, *, version: int = 1, name: str = "") -> Variant:
    """An instance whose preview door is the service."""
    return Variant(name or f"plimsoll-{version}", version, Endpoint(service.url, {"key": "k"}))


def context(
    candidate: Service,
    stable: Service | None = None,
    *,
    args: dict[str, str] | None = None,
    memo: Any = None,
    checks: tuple[Source, ...] = (),
    prometheus: tuple[Source, ...] = (),
) -> Context:
    """One host with version 2 beside version 1."""
    known = None if stable is None else variant(stable, version=1)
    site = Site("h1", variant(candidate, version=2), known)
    return Context("digits", (site,), args or {}, Sources(prometheus, checks), memo or {})
