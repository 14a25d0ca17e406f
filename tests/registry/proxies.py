"""A TCP proxy whose far side can be made to stall, or to hang up, at a chosen byte."""

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Proxy:
    """Everything passes, until `stall` or `cut`; `mend` lets things pass again."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.url = ""
        self._is_passing = threading.Event()
        self._is_passing.set()
        self._is_cut = False
        self._fuse: tuple[int, str] | None = None
        self._lock = threading.Lock()

    def stall(self) -> None:
        """Take what comes and hold it; nothing is closed."""
        self._is_passing.clear()

    def cut(self) -> None:
        """Close all connections, and every new one."""
        self._is_cut = True

    def after(self, count: int, what: str) -> None:
        """`stall` or `cut` once `count` more bytes went through, either way."""
        self._fuse = (count, what)

    def mend(self) -> None:
        self._fuse = None
        self._is_cut = False
        self._is_passing.set()

    def carry(self, near: socket.socket) -> None:
        """One connection, both ways, until either side ends it."""
        with socket.create_connection(self.target) as far:
            while not self._is_cut:
                ready, _, _ = select.select([near, far], [], [], 0.05)
                for one in ready:
                    data = one.recv(65536)
                    self._burn(len(data))
                    self._is_passing.wait()
                    if not data or self._is_cut:
                        return
                    (far if one is near else near).sendall(data)

    def _burn(self, count: int) -> None:
        with self._lock:
            if self._fuse is None:
                return
            left, what = self._fuse
            self._fuse = (left - count, what)
            if left - count <= 0:
                self._fuse = None
                (self.stall if what == "stall" else self.cut)()


@contextmanager
def before(url: str) -> Iterator[Proxy]:
    """A proxy in front of `url`; its own is `proxy.url`."""
    target = urlsplit(url)
    proxy = Proxy((target.hostname or "", target.port or 80))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                proxy.carry(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        host, port = server.server_address[:2]
        proxy.url = f"http://{host!s}:{port}"
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.cut()
            proxy._is_passing.set()
            server.shutdown()
            thread.join()
