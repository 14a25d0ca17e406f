"""RFC 9457 problem documents: an error on its way over HTTP, and back into the same class."""

from registry import errors
from registry.core import canonical
from registry.core.canonical import Json

MEDIA_TYPE = "application/problem+json"


def document(error: errors.PlimsollError) -> dict[str, Json]:
    """What the API answers for `error`."""
    return {
        "type": f"https://plimsoll.dev/errors/{error.code}",
        "title": error.code.replace("_", " "),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "fix": error.fix,
    }


def error_from(status: int, body: bytes, *, what: str) -> errors.PlimsollError:
    """The error that a peer's answer stands for; `what` names the request in the message.

    An answer that is no problem document becomes `Unavailable` above 499, else `PlimsollError`.
    """
    try:
        found = canonical.decode_object(body, what=what)
    except errors.InvalidInput:
        found = {}
    detail = str(found.get("detail") or f"HTTP status {status}")
    code = str(found.get("code") or "")
    kind = _classes(errors.PlimsollError).get(code)
    if kind is None:
        kind = errors.Unavailable if status >= 500 else errors.PlimsollError
    return kind(f"{what}: {detail}", fix=str(found.get("fix") or ""))


def _classes(kind: type[errors.PlimsollError]) -> dict[str, type[errors.PlimsollError]]:
    found = {kind.code: kind}
    for child in kind.__subclasses__():
        found |= _classes(child)
    return found
