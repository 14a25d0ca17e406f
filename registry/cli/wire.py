"""HTTP/1.1 as the command line speaks it: files go out by the kernel, blobs come into a buffer.

The standard library's connection, one for each thread and kept open, since what loads in a tenth
of a second and copies each byte four times was most of what a short or a large command took.
A proxy that the environment names is used. What goes wrong is the library's own error.
"""

import os
import select
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

from registry import errors
from registry.cli.progress import Advance

BROKEN = (OSError, HTTPException)
_CONNECT_S = 5.0
_PATIENCE_S = 120.0
_SPAN = 4 * 1024 * 1024
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_PLAIN = "/?&=%:@!$'()*+,;~-._"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole; header names in any case."""

    status: int
    headers: Message
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of a file from `start` up to `stop`, and who is told as they go."""

    path: Path
    start: int
    stop: int
    advance: Advance

    def __len__(self) -> int:
        return self.stop - self.start


Body: TypeAlias = Sequence[bytes | Span]


def to(url: str, token: str, authority: str) -> "Wire":
    """Raises InvalidConfig. Without an `authority`, a file, those are trusted that the system
    trusts."""
    headers = {"User-Agent": "plimsoll"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        # Whom this machine trusts is read for TLS alone: it takes a tenth of a short command.
        context = None
        if authority or not url.startswith("http://"):
            context = ssl.create_default_context(cafile=authority or None)
        return Wire(url, headers, context)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{authority}: cannot be read as authorities: {error}",
            fix="let PLIMSOLL_CA name a PEM file",
        ) from error
    except ValueError as error:
        raise errors.InvalidConfig(
            f"{url!r} is no address, or the token no token: {error}",
            fix="write the server like http://127.0.0.1:8440",
        ) from error


class Wire:
    """Connections to the server at `url`, `context` for TLS.

    `headers` go with every request. Raises ValueError for what is no address and no header.
    """

    def __init__(self, url: str, headers: Mapping[str, str], context: ssl.SSLContext | None):
        self._address = urlsplit(url)
        if self._address.scheme not in ("http", "https") or not self._address.hostname:
            raise ValueError("it is not of the form http://host:port")
        self._port = self._address.port or (443 if self._address.scheme == "https" else 80)
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise ValueError("a character that no header has")
        self.patience_s = _PATIENCE_S
        self._headers = dict(headers)
        self._context = context
        self._proxy = _proxy(self._address)
        # Behind a tunnel nobody but the registry would read what is for the proxy.
        if self._proxy is not None and self._address.scheme == "http":
            self._headers |= _authorized(self._proxy)
        self._mine = threading.local()
        self._all: list[HTTPConnection] = []

    def close(self) -> None:
        """Of all threads; none may be in the middle of something."""
        for link in self._all:
            link.close()

    def interrupt(self) -> None:
        """Whoever reads an answer without an end is told that this was it; `close` comes after."""
        for link in self._all:
            if link.sock is not None:
                with suppress(OSError):
                    link.sock.shutdown(socket.SHUT_RDWR)

    def ready(self) -> HTTPConnection:
        """This thread's connection, open; raises OSError, HTTPException where there is none."""
        link: HTTPConnection | None = getattr(self._mine, "link", None)
        if link is None:
            link = self._mine.link = self._new()
            self._all.append(link)
        # On a new TLS connection the server speaks first: that is no end.
        if link.sock is not None and self._mine.is_used and _is_over(link.sock):
            link.close()
        if link.sock is None:
            link.timeout = _CONNECT_S
            link.connect()
            self._mine.is_used = False
        link.sock.settimeout(self.patience_s)
        return link

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: Body = ()) -> Answer:
        """The whole answer."""
        with self.asking(method, path, headers, body) as answer:
            return Answer(answer.status, answer.headers, answer.read())

    @contextmanager
    def asking(
        self, method: str, path: str, headers: Mapping[str, str], body: Body = ()
    ) -> Iterator[HTTPResponse]:
        """The answer's head, for its body to be read meanwhile."""
        link = self.ready()
        self._mine.is_used = True
        is_whole = False
        try:
            broken = self._send(link, method, path, headers, body)
            answer = link.getresponse()
            if broken is not None and answer.status < HTTPStatus.BAD_REQUEST:
                raise broken
            yield answer
            is_whole = answer.isclosed() and not answer.will_close
        finally:
            if not is_whole:
                link.close()

    def _send(
        self,
        link: HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Body,
    ) -> OSError | None:
        """What broke while the body was sent: the other side may have said why before it did."""
        target = self._address.path.rstrip("/") + quote(path, safe=_PLAIN)
        if self._proxy is not None and self._address.scheme == "http":
            target = f"http://{self._address.netloc.rpartition('@')[2]}{target}"
        link.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (self._headers | dict(headers)).items():
            link.putheader(name, value)
        size = sum(len(part) for part in body)
        if size or method in _WITH_BODY:
            link.putheader("Content-Length", str(size))
        link.endheaders()
        try:
            for part in body:
                _put(link.sock, part)
        except (BrokenPipeError, ConnectionResetError) as broken:
            return broken
        return None

    def _new(self) -> HTTPConnection:
        host, port = self._address.hostname or "", self._port
        through = self._proxy
        if through is not None:
            host, port = through.hostname or "", through.port or 80
        if self._address.scheme == "http":
            return HTTPConnection(host, port, timeout=_CONNECT_S)
        link = HTTPSConnection(host, port, timeout=_CONNECT_S, context=self._context)
        if through is not None:
            link.set_tunnel(self._address.hostname or "", self._port, _authorized(through))
        return link


def _put(sock: socket.socket, part: bytes | Span) -> None:
    if isinstance(part, bytes):
        sock.sendall(part)
        return
    with part.path.open("rb", buffering=0) as file:
        for start in range(part.start, part.stop, _SPAN):
            count = min(_SPAN, part.stop - start)
            if sock.sendfile(file, start, count) != count:
                raise errors.DigestMismatch(
                    f"{part.path}: became shorter while it was being pushed",
                    fix="push again when nothing writes to it",
                )
            part.advance(count)


def _is_over(sock: socket.socket) -> bool:
    """Whether the other side has closed it, or said something that nobody asked for."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _proxy(address: SplitResult) -> SplitResult | None:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    import urllib.request  # noqa: PLC0415  for this alone

    found = urllib.request.getproxies()
    named = found.get(address.scheme) or found.get("all")
    if not named or urllib.request.proxy_bypass(address.hostname or ""):
        return None
    return urlsplit(named if "://" in named else f"http://{named}")


def _authorized(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    said = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(said.encode()).decode()}"}
