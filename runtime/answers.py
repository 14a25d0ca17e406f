"""What the registry answers, as errors of ours: the one place that knows which is which."""

from http import HTTPStatus

import httpx2

from registry import errors
from registry.core import canonical

_INTEGRITY_CODES = {"integrity", "digest_mismatch", "signature_invalid", "log_forked"}


class named:  # noqa: N801  reads as a verb where it is used
    """Turns a transport failure into `Unavailable` with the registry's name in it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, httpx2.HTTPError):
            what = str(error) or type(error).__name__
            raise errors.Unavailable(f"registry {self._url} did not answer: {what}") from error


def require(response: httpx2.Response, wanted: HTTPStatus) -> None:
    """Raises the `PlimsollError` that says what came in place of `wanted`."""
    status = response.status_code
    if status == wanted:
        return
    response.read()
    code, detail = _problem(response)
    said = f"registry answered {status} to {response.request.url.path}: {detail}"
    if code in _INTEGRITY_CODES:
        raise errors.IntegrityError(said)
    if status == HTTPStatus.UNAUTHORIZED:
        raise errors.Unauthenticated(said, fix="give the host a new token")
    if status == HTTPStatus.FORBIDDEN:
        raise errors.Forbidden(said, fix="give the host a token of the role 'host'")
    if status == HTTPStatus.NOT_FOUND:
        raise errors.NotFound(said)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise errors.DigestMismatch(f"{said}: the stored file is shorter than the manifest says")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise errors.Unavailable(said)
    raise errors.InvalidInput(said)


def _problem(response: httpx2.Response) -> tuple[str, str]:
    """Code and detail of a problem+json answer; the first of the text where it is none."""
    try:
        document = canonical.decode_object(response.content, what="problem")
    except errors.InvalidInput:
        return "", response.text[:200]
    return str(document.get("code", "")), str(document.get("detail", ""))[:500]
