"""Which request the running task answers: its id and its place in a trace.

Set where a request comes in, read where an inference ends, so that nothing in between has to pass
it on. Hostile values are left out: they would end up in logs and headers.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

_ID = re.compile(rb"[\x21-\x7e]{1,128}")
# https://www.w3.org/TR/trace-context-1/#traceparent-header
_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Current:
    """`id` is what the client calls the request, or its trace; empty where it says nothing.
    `trace` and `span` are hex, of the caller; `is_sampled` is the caller's word on it."""

    id: str = ""
    trace: str = ""
    span: str = ""
    is_sampled: bool = False


_NONE = Current()
_CURRENT: ContextVar[Current] = ContextVar("current", default=_NONE)


def begin(headers: Mapping[bytes, bytes]) -> None:
    """A request with these headers starts in this task."""
    given, parent = headers.get(b"x-request-id"), headers.get(b"traceparent")
    _CURRENT.set(_NONE if given is None and parent is None else _read(given, parent))


def named(request_id: str) -> None:
    """The request's own body gives it an id; a header's comes before it."""
    found = _CURRENT.get()
    if not found.id and _ID.fullmatch(request_id.encode("utf-8", "replace")):
        _CURRENT.set(Current(request_id, found.trace, found.span, found.is_sampled))


def current() -> Current:
    return _CURRENT.get()


def _read(given: bytes | None, parent: bytes | None) -> Current:
    called = given.decode("ascii") if given is not None and _ID.fullmatch(given) else ""
    found = _PARENT.fullmatch(parent) if parent is not None else None
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return Current(called)
    trace = found[1].decode()
    return Current(called or trace, trace, found[2].decode(), bool(int(found[3], 16) & 1))
