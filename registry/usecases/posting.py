"""One POST to one receiver: to an address that was checked, once, within a time, no redirects.

The name is resolved here and the connection made to the very address that was judged, so a name
that changes its mind in between gains nothing. Of the answer only the status is kept: what an
inner machine says must not reach whoever wrote the webhook.
"""

import functools
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from registry.core import destination
from registry.core.attempts import Answer, Outcome, Silence
from registry.core.destination import Destination

_MOST_OF_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the same body on each attempt, the headers signed anew."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Poster:
    """Sends within `seconds`; `hosts` are globs of those that need not be public."""

    def __init__(self, seconds: float, hosts: Sequence[str]) -> None:
        self.seconds = seconds
        self.hosts = hosts
        self._open: set[socket.socket] = set()
        self._is_closing = False

    def post(self, message: Message) -> Outcome:
        """Never raises for what the network or the receiver does."""
        try:
            place = destination.parse(message.url)
            with self._connected(place) as line:
                return self._exchange(place, line, message)
        except _Refused as refusal:
            return Silence(str(refusal))
        except OSError as failure:
            return Silence(_told(failure))
        except (http.client.HTTPException, ValueError):
            return Silence("the receiver does not speak HTTP, or answered too late")

    def abort(self) -> None:
        """End what is under way; nothing can be sent afterwards."""
        self._is_closing = True
        for line in list(self._open):
            _cut(line)

    @contextmanager
    def _connected(self, place: Destination) -> Iterator[socket.socket]:
        """A connection that is cut when its time is over, however slowly bytes trickle in."""
        address = self._resolve(place)
        with (
            socket.create_connection((address, place.port), self.seconds) as line,
            # A second descriptor of the same connection: the first may be inside TLS by then.
            closing(line.dup()) as handle,
        ):
            timer = threading.Timer(self.seconds, _cut, (handle,))
            timer.daemon = True
            self._open.add(handle)
            timer.start()
            try:
                if self._is_closing:
                    raise _Refused("the registry is stopping")
                yield line
            finally:
                timer.cancel()
                timer.join()
                self._open.discard(handle)

    def _resolve(self, place: Destination) -> str:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        addresses = [str(item[4][0]) for item in found]
        for address in addresses:
            if destination.may_reach(place.host, address, self.hosts):
                return address
        raise _Refused(
            f"{place.host} is at {addresses[0]}, not an address of the public internet; "
            "the setting webhook_hosts can allow it"
        )

    def _exchange(self, place: Destination, line: socket.socket, message: Message) -> Outcome:
        if place.is_tls:
            line = _tls().wrap_socket(line, server_hostname=place.host)
        with closing(http.client.HTTPConnection(_authority(place))) as connection:
            connection.sock = line
            headers = {"User-Agent": "plimsoll", "Connection": "close", **message.headers}
            connection.request("POST", place.target, message.body, headers)
            with connection.getresponse() as answer:
                # What was said is said: a body that does not end changes nothing about it.
                with suppress(OSError, http.client.HTTPException):
                    answer.read(_MOST_OF_BODY)
                return Answer(answer.status, _seconds(answer.headers.get("Retry-After", "")))


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made at the first need: the machine's authorities take their time and memory."""
    return ssl.create_default_context()


class _Refused(Exception):
    """This address is not for us."""


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _authority(place: Destination) -> str:
    """The header Host: without the port where it is the scheme's own."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    return host if place.port == (443 if place.is_tls else 80) else f"{host}:{place.port}"


def _seconds(text: str) -> float:
    """Retry-After in seconds; its other form, a date, is as good as none."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


def _told(failure: OSError) -> str:
    match failure:
        case TimeoutError():
            return "the receiver did not answer in time"
        case socket.gaierror():
            return "the receiver's name does not resolve"
        case ssl.SSLCertVerificationError():
            return f"the receiver's certificate does not hold: {failure.verify_message}"
        case ssl.SSLError():
            return "no TLS connection came about"
        case _:
            return f"the connection failed: {failure.strerror or type(failure).__name__}"
