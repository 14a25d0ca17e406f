"""ASGI in its smallest form: one whole body in, one whole answer out, within limits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from registry import errors

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole and within limits: `path` without the query, header names lower-case."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, headers (lower-case names) and a body."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = (JSON,)


def json_answer(status: int, document: object, *headers: Header) -> Answer:
    return Answer(status, orjson.dumps(document), (JSON, *headers))


def problem(error: errors.PlimsollError) -> Answer:
    """RFC 9457; for our own endpoints. Dialects have their own form of error."""
    document = {
        "type": f"https://plimsoll.dev/errors/{error.code}",
        "title": error.code.replace("_", " "),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "fix": error.fix,
    }
    return Answer(
        error.status,
        orjson.dumps(document),
        ((b"content-type", b"application/problem+json"), *extra_headers(error)),
    )


def extra_headers(error: errors.PlimsollError) -> tuple[Header, ...]:
    """A client turned away for now is told when to come back; one sent away stops sending."""
    if isinstance(error, errors.Unavailable):
        return ((b"retry-after", b"1"),)
    if isinstance(error, errors.TooLarge):
        return ((b"connection", b"close"),)
    return ()


async def send(answer: Answer, sender: Send) -> None:
    length = str(len(answer.body)).encode()
    headers = [*answer.headers, (b"content-length", length)]
    await sender({"type": "http.response.start", "status": answer.status, "headers": headers})
    await sender({"type": "http.response.body", "body": answer.body})


async def body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """The request's body; raises `TooLarge`, `WaitTimedOut`, `InvalidInput` if it is cut off."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _received(receive, limit)
    except TimeoutError as error:
        raise errors.WaitTimedOut("the request's body did not arrive in time") from error


async def whole(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> Request:
    """The request with its body; raises as `body` does."""
    content = await body(scope, receive, limit=limit, seconds=seconds)
    return Request(scope["method"], scope["path"], dict(scope["headers"]), content)


async def _received(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise errors.InvalidInput("the client went away before its request was complete")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(limit: int) -> errors.TooLarge:
    return errors.TooLarge(
        f"the request's body is over {limit} bytes",
        fix="send fewer instances at once, or raise limits.bodyBytes",
    )
