"""What every method gets beside its request, and which status each error is."""

from dataclasses import dataclass

from registry import errors
from runtime.protocols.grpc.calls import Call, Code, Ending
from runtime.refusals import NoSuchSignature
from runtime.serving import Serving

_NOBODY = Call({}, None)


@dataclass(frozen=True, slots=True)
class Context:
    """`seconds` the client waits, None for as long as it takes; `preview` as for `Serving.find`."""

    serving: Serving
    preview: bool
    seconds: float | None
    call: Call = _NOBODY


_CODES: tuple[tuple[type[errors.PlimsollError], str], ...] = (
    (NoSuchSignature, "FAILED_PRECONDITION"),  # the REST dialect has one code for both
    (errors.InvalidInput, "INVALID_ARGUMENT"),
    (errors.NotFound, "NOT_FOUND"),
    (errors.Unauthenticated, "UNAUTHENTICATED"),
    (errors.Forbidden, "PERMISSION_DENIED"),
    (errors.Conflict, "FAILED_PRECONDITION"),
    (errors.Unsupported, "UNIMPLEMENTED"),
    (errors.TooLarge, "RESOURCE_EXHAUSTED"),
    (errors.Busy, "RESOURCE_EXHAUSTED"),
    (errors.Unavailable, "UNAVAILABLE"),
    (errors.WaitTimedOut, "DEADLINE_EXCEEDED"),
    (errors.PlimsollError, "INTERNAL"),
)


def code(error: errors.PlimsollError) -> str:
    """gRPC's name for it."""
    return next(name for kind, name in _CODES if isinstance(error, kind))


def ending(error: errors.PlimsollError) -> Ending:
    """What a call ends with that is refused."""
    return Ending(Code[code(error)], error.detail)


def http_status(error: errors.PlimsollError) -> int:
    """What the same error is over HTTP, for what counts both together."""
    return 400 if isinstance(error, errors.InvalidInput) else error.status
