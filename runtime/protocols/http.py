"""What a dialect sees of HTTP: one whole request in, one whole answer out."""

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from registry import errors
from runtime import refusals

Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")


# Tuples: made for every request, in a fourth of the time that a frozen dataclass takes.
class Request(NamedTuple):
    """One request, whole and within limits: `path` without the query, header names lower-case
    and each once, several values of one joined by a comma."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes
    query: str = ""


class Answer(NamedTuple):
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
    """A client turned away for now is told when to come back, one with a wrong method the others;
    one sent away stops sending."""
    if isinstance(error, errors.Unavailable):
        return ((b"retry-after", b"1"),)
    if isinstance(error, refusals.WrongMethod):
        return ((b"allow", error.allow.encode()),)
    if isinstance(error, errors.TooLarge):
        return ((b"connection", b"close"),)
    return ()


def too_large(limit: int) -> errors.TooLarge:
    """The body of a request is over `limit` bytes."""
    return errors.TooLarge(
        f"the request's body is over {limit} bytes",
        fix="send fewer instances at once, or raise limits.bodyBytes",
    )
