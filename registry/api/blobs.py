"""Blobs out: whole or in part, by the kernel where it can, or from the object store itself.

A blob never changes. `answer` is how every dialect of this registry sends one.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from registry import errors
from registry.api import delivering, wire
from registry.api.access import Opened, guarded
from registry.api.sending import Sending, SendingSeveral, span_of
from registry.core import digest as digests
from registry.usecases import transfers, withholding
from registry.usecases.opening import Registry

router = guarded("blobs")

_BYTES = "application/octet-stream"
_DIRECT = "Fetch from the object store: the answer redirects there, if the store offers it"


@router.api_route("/v1/blobs/{digest}", methods=["GET"], summary="Download a blob, or a range")
@router.api_route("/v1/blobs/{digest}", methods=["HEAD"], summary="Ask whether a blob is here")
async def blob(
    request: Request,
    registry: Opened,
    digest: str,
    range_: Annotated[str | None, Header(alias="Range")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
    direct: Annotated[bool | None, Query(description=_DIRECT)] = None,
) -> Response:
    return await answer(request, registry, digest, is_direct=direct)


@router.post("/v1/wanted-blobs", summary="Download many small blobs at once")
async def several(request: Request, registry: Opened, asked: wire.Digests) -> Response:
    """In the order asked, each preceded by a line: its digest, a space, its size.

    Hosts ask for each by itself: they may get copies of their own.
    """
    for digest in asked.digests:
        digests.parse(digest)
    found = await run_in_threadpool(_found, request, registry, asked.digests)
    return SendingSeveral(registry.blobs, found)


async def answer(
    request: Request, registry: Registry, digest: str, *, is_direct: bool | None = None
) -> Response:
    """The answer to a GET or HEAD of a blob, as the request's own headers want it.

    `is_direct` None leaves it to the settings whether to redirect. Raises NotFound, OutOfOrder.
    """
    digests.parse(digest)
    size = await run_in_threadpool(_size, request, registry, digest)
    to_host = await delivering.answer(request, registry, digest)
    if to_host is not None:
        return to_host
    if size is None:
        raise _missing(digest)
    etag = f'"{digest}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Docker-Content-Digest": digest,
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    span, status = (0, size), 200
    wanted = request.headers.get("range")
    if wanted is not None and request.headers.get("if-range") in (None, etag):
        span, status = span_of(wanted, size), 206
        headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
    headers["Content-Length"] = str(span[1] - span[0])
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=_BYTES)
    if registry.settings.direct_downloads if is_direct is None else is_direct:
        link = await run_in_threadpool(transfers.link, registry, digest)
        if link is not None:
            return _elsewhere(link)
        headers["Direct-Transfer"] = "not offered"
    return Sending(registry.blobs, digest, span, status_code=status, headers=headers)


def _size(request: Request, registry: Registry, digest: str) -> int | None:
    """Raises Forbidden for bytes that this caller is not given; that they are here is no secret."""
    if request.method != "HEAD":
        withholding.require_given(registry, [digest], getattr(request.state, "caller", None))
    return transfers.size(registry, digest)


def _found(request: Request, registry: Registry, wanted: Sequence[str]) -> list[tuple[str, int]]:
    """Each with its size; raises NotFound, Forbidden."""
    withholding.require_given(registry, wanted, getattr(request.state, "caller", None))
    return [(digest, _required(registry, digest)) for digest in wanted]


def _required(registry: Registry, digest: str) -> int:
    size = transfers.size(registry, digest)
    if size is None:
        raise _missing(digest)
    return size


def _missing(digest: str) -> errors.NotFound:
    return errors.NotFound(f"no blob {digest}", fix="upload it first, or check the digest")


def _elsewhere(link: str) -> Response:
    # Whoever stored this answer would follow it when the link is dead.
    headers = {"Location": link, "Cache-Control": "no-store"}
    return Response(status_code=307, headers=headers)
