"""One HTTP request, bounded in time and size: no redirect is followed, no proxy is asked.

Raises `errors.Unavailable` for all that goes wrong on the way.
"""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx2

from reconciler.config import Source
from registry import errors

LIMIT_BYTES = 1 << 20
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and at most `LIMIT_BYTES`, unpacked."""

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
    try:
        with (
            httpx2.Client(
                timeout=patience_s / 2, trust_env=False, verify=_authority(url, source)
            ) as client,
            client.stream(
                method,
                url,
                headers={"accept-encoding": "identity", **(headers or {}), **_token(source)},
                content=body or None,
            ) as reply,
        ):
            return Answer(reply.status_code, _whole(reply, url, limit=limit, until=until))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        said = str(error) or type(error).__name__
        raise errors.Unavailable(f"{_shown(url)} does not answer: {said}") from error


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
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return None
    if "@" in parts.netloc:
        return None
    return parts.scheme, (parts.hostname or "").lower(), port


def _whole(reply: httpx2.Response, url: str, *, limit: int, until: float) -> bytes:
    found = bytearray()
    for chunk in reply.iter_bytes():
        found += chunk
        if len(found) > limit:
            raise errors.Unavailable(f"{_shown(url)} answers more than {limit} bytes")
        if time.monotonic() > until:
            raise errors.Unavailable(f"{_shown(url)} takes too long to answer")
    return bytes(found)


def _authority(url: str, source: Source | None) -> ssl.SSLContext | bool:
    if url.startswith("http://"):
        return False  # nothing to verify, and reading the bundle takes a while
    if source is None or source.ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(source.ca))
    except (OSError, ssl.SSLError) as error:
        raise errors.InvalidConfig(f"{source.ca} cannot be read: {error}") from error


def _token(source: Source | None) -> dict[str, str]:
    if source is None or source.token_file is None:
        return {}
    try:
        text = source.token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(f"{source.token_file} cannot be read: {error}") from error
    return {"authorization": f"Bearer {text}"}


def _shown(url: str) -> str:
    """Without its query, which may be long."""
    return url.partition("?")[0][:200]
