"""What travels in the OCI dialect: its refusals, its headers, its lists in pages."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import JSONResponse, Response

from registry.core import oci, oci_documents
from registry.core.canonical import Json
from registry.errors import PlimsollError
from registry.usecases.oci import PAGE

# By their headers clients know that they speak with a registry.
VERSION = {"Docker-Distribution-API-Version": "registry/2.0"}
BYTES: dict[str, Any] = {
    "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}
}
MANIFEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {oci.IMAGE: {"schema": {"type": "object"}}},
    }
}
Limit = Annotated[int | None, Query(ge=0, le=2**31, description="At most so many")]
After = Annotated[str, Query(max_length=255, description="Those after this one")]


def refusal(request: Request, error: PlimsollError, *, status: int | None) -> JSONResponse:
    """The answer that says `error` to OCI clients."""
    answered, document = oci_documents.refusal(
        error,
        path=request.url.path,
        status=status or error.status,
        request_id=request.scope.get("plimsoll_request_id", ""),
    )
    return JSONResponse(document, status_code=answered, headers=VERSION)


def takes_index(request: Request) -> bool:
    """Whether the client says by name that it takes an index of images: who runs them does."""
    accepted = ",".join(request.headers.getlist("accept"))
    return oci.INDEX in accepted or oci.DOCKER_LIST in accepted


def page_of(limit: int | None) -> int:
    """How many to give where so many were asked for."""
    return PAGE if limit is None else min(limit, PAGE)


def listing(document: dict[str, Json], path: str, *, limit: int, last: str) -> Response:
    """A page of a list, and where the next one is."""
    answer = JSONResponse(document, headers=VERSION)
    if last:
        answer.headers["Link"] = next_page(path, n=str(limit), last=last)
    return answer


def next_page(path: str, **query: str) -> str:
    """The Link header (RFC 8288) that leads on."""
    return f'<{path}?{urlencode(query)}>; rel="next"'
