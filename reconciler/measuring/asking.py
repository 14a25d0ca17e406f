"""One HTTP request, bounded in time and size: no redirect is followed, no proxy is asked.

Raises `errors.Unavailable` for all that goes wrong on the way.
"""

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

from reconciler.config import Source
from registry import errors

LIMIT_BYTES = 1 << 20
_PATIENCE_S = 10.0
# https://www.rfc-editor.org/rfc/rfc6750#section-2.1
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PLAIN = "/%:@!$&'()*+,;=~?"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and at most so many bytes as were asked for, as they came."""

    status: int
    body: bytes


def ask(  # noqa: PLR0913  a request has many parts
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    source: Source | None = None,
    limit: int = LIMIT_BYTES,
    patience_s: float = _PATIENCE_S,
) -> Answer:
    """What `url` answers, whatever its status; `patience_s` is for all of it together."""
    until = time.monotonic() + patience_s
    told = {"accept-encoding": "identity", **(headers or {}), **_token(source)}
    try:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = quote(target, safe=_PLAIN)
        with _connected(parts, source, patience_s) as link:
            link.request(method, target, body=body or None, headers=told)
            reply = link.getresponse()
            found = reply.read(limit + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = str(error) or type(error).__name__
        late = isinstance(error, TimeoutError) or time.monotonic() >= until
        why = "takes too long to answer" if late else f"does not answer: {said}"
        raise errors.Unavailable(f"{_shown(url)} {why}") from error
    if time.monotonic() >= until:
        raise errors.Unavailable(f"{_shown(url)} takes too long to answer")
    if len(found) > limit:
        raise errors.Unavailable(f"{_shown(url)} answers more than {limit} bytes")
    if reply.length:
        raise errors.Unavailable(f"{_shown(url)} answers less than it announced")
    return Answer(reply.status, found)


def below(url: str, sources: tuple[Source, ...]) -> Source | None:
    """The source whose address `url` is, or is below; the most exact one where there are several.

    A path with dots that lead upwards is below nothing.
    """
    parts = urlsplit(url)
    if any(unquote(part) in {".", ".."} for part in parts.path.split("/")) or "\\" in unquote(url):
        return None
    found = [
        source
        for source in sources
        if _origin(source.address) == _origin(url)
        and (parts.path.rstrip("/") + "/").startswith(
            urlsplit(source.address).path.rstrip("/") + "/"
        )
    ]
    return max(found, key=lambda source: len(source.address), default=None)


def _origin(url: str) -> tuple[str, str, int] | None:
    """None for an address with a user in it, which is equal to no other."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if "@" in parts.netloc:
        return None
    return parts.scheme, (parts.hostname or "").lower(), port


@contextmanager
def _connected(
    parts: SplitResult, source: Source | None, patience_s: float
) -> Iterator[http.client.HTTPConnection]:
    """What drips in never makes a single read late: so the clock is another thread's, which
    shuts the connection down, and leaves its number to whoever is reading from it."""
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    with closing(socket.create_connection((host, port), timeout=patience_s / 2)) as plain:
        secured = _secured(plain, host, source) if parts.scheme == "https" else plain
        with closing(secured), closing(http.client.HTTPConnection(host, port)) as link:
            clock = threading.Timer(patience_s, _cut, (secured,))
            clock.daemon = True
            clock.start()
            try:
                if isinstance(secured, ssl.SSLSocket):
                    secured.do_handshake()
                link.sock = secured
                yield link
            finally:
                clock.cancel()


def _secured(plain: socket.socket, host: str, source: Source | None) -> ssl.SSLSocket:
    """Not greeted yet."""
    ca = None if source is None or source.ca is None else str(source.ca)
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise errors.InvalidConfig(f"{ca} cannot be read: {error}") from error
    return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)


def _cut(link: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(link, socket.SHUT_RDWR)


def _token(source: Source | None) -> dict[str, str]:
    if source is None or source.token_file is None:
        return {}
    try:
        text = source.token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(f"{source.token_file} cannot be read: {error}") from error
    if not _TOKEN.fullmatch(text):  # before anything quotes it that complains of it
        raise errors.InvalidConfig(
            f"{source.token_file} holds no token", fix="write the token there, and nothing else"
        )
    return {"authorization": f"Bearer {text}"}


def _shown(url: str) -> str:
    """Without its query, which may be long."""
    return url.partition("?")[0][:200]
