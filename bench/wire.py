"""One plain HTTP/1.1 client for every side of a comparison: a kept-alive connection, few copies.

It acknowledges at once whatever it receives (TCP_QUICKACK, tcp(7)). A server that sends head and
body as two small segments otherwise waits some 40 ms for a delayed acknowledgement, and the
comparison would be about that and not about its work.
"""

import http.client
import json
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from registry import errors
from registry.core import canonical
from registry.core.canonical import Json

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1024 * 1024
_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; every header by its name in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Json]:
        """The body as a JSON object."""
        found: dict[str, Json] = json.loads(self.body)
        return found


class Link:
    """One connection to the server at `url`; `headers` go with every request."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        address = urlsplit(url)
        self._wire = _Wire(address.hostname or "", address.port, timeout=_TIMEOUT_S)
        self._headers = dict(headers or {})

    def close(self) -> None:
        self._wire.close()

    def call(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """Raises `Unavailable` for a refusal."""
        headers = self._headers if body is None else self._headers | _JSON
        if self._wire.is_over():
            self._wire.close()  # some end a connection that nobody used for five seconds
        self._wire.request(method, target, body=body, headers=headers)
        return self._answer(method, target)

    def post(self, target: str, document: Mapping[str, Json]) -> dict[str, Json]:
        """The answer to a JSON object, also one."""
        return self.call("POST", target, canonical.encode(document)).document

    def send_file(self, method: str, target: str, source: Path) -> Answer:
        """The whole of `source` in one request, by sendfile(2): the client adds no copy."""
        self._wire.putrequest(method, target)
        size = str(source.stat().st_size)
        for name, value in (self._headers | _BYTES | {"Content-Length": size}).items():
            self._wire.putheader(name, value)
        self._wire.endheaders()
        with source.open("rb") as file:
            self._wire.sock.sendfile(file)
        return self._answer(method, target)

    def receive(self, target: str, buffer: bytearray) -> int:
        """How many bytes `target` has: received into `buffer`, counted and dropped."""
        self._wire.request("GET", target, headers=self._headers)
        answer = self._wire.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise errors.Unavailable(f"GET {target}: answered {answer.status}")
        received = 0
        while count := answer.readinto(buffer):
            received += count
        return received

    def _answer(self, method: str, target: str) -> Answer:
        answer = self._wire.getresponse()
        body = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            said = body[:300].decode(errors="replace")
            raise errors.Unavailable(f"{method} {target}: answered {answer.status}: {said}")
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, body)


@contextmanager
def connected(url: str, headers: Mapping[str, str] | None = None) -> Iterator[Link]:
    """A link that is closed at the end."""
    link = Link(url, headers)
    try:
        yield link
    except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
        raise errors.Unavailable(f"{url}: the connection broke: {error!r}") from error
    finally:
        link.close()


def answers(url: str, target: str) -> bool:
    """Whether a GET of `target` succeeds."""
    link = Link(url)
    try:
        return link.call("GET", target).status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException, errors.Unavailable):
        return False
    finally:
        link.close()


_JSON = {"Content-Type": "application/json"}
_BYTES = {"Content-Type": "application/octet-stream"}


class _Prompt(socket.socket):
    """A socket whose kernel side acknowledges at once; it forgets, so it is told each time."""

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return super().recv_into(buffer, nbytes, flags)


class _Wire(http.client.HTTPConnection):
    """The standard library's connection over such a socket."""

    def connect(self) -> None:
        self.sock = _Prompt(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect((self.host, self.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def is_over(self) -> bool:
        """Whether the other side has closed it."""
        return self.sock is not None and bool(select.select([self.sock], [], [], 0)[0])
