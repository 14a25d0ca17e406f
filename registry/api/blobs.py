"""Blobs out: whole or in part, streamed in blocks of 1 MiB. A blob never changes."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from registry import errors
from registry.api.access import Opened
from registry.core import digest as digests

router = APIRouter(tags=["blobs"])

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


@router.api_route("/v1/blobs/{digest}", methods=["GET"], summary="Download a blob, or a range")
@router.api_route("/v1/blobs/{digest}", methods=["HEAD"], summary="Ask whether a blob is here")
async def blob(
    request: Request,
    registry: Opened,
    digest: str,
    range_: Annotated[str | None, Header(alias="Range")] = None,
    if_range: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    digests.parse(digest)
    size = await run_in_threadpool(registry.blobs.size, digest)
    if size is None:
        raise errors.NotFound(f"no blob {digest}", fix="upload it first, or check the digest")
    etag = f'"{digest}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Docker-Content-Digest": digest,
    }
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=headers)
    start, stop, status = 0, size, 200
    if range_ is not None and if_range in (None, etag):
        start, stop = _span(range_, size)
        status = 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["Content-Length"] = str(stop - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=_BYTES)
    content = registry.blobs.read(digest, start, stop)
    return StreamingResponse(content, status_code=status, headers=headers, media_type=_BYTES)


_BYTES = "application/octet-stream"


def _span(text: str, size: int) -> tuple[int, int]:
    """The (start, stop) that one Range asks for; raises OutOfOrder where there is nothing."""
    form = _RANGE.fullmatch(text.strip())
    if form is not None and form[1] and int(form[1]) < size:
        last = int(form[2]) if form[2] else size - 1
        if last >= int(form[1]):
            return int(form[1]), min(last + 1, size)
    if form is not None and not form[1] and form[2] and int(form[2]) and size:
        return max(size - int(form[2]), 0), size
    raise errors.OutOfOrder(
        f"Range {text[:60]!r} has no byte of a blob of {size}",
        fix="ask for one range of bytes inside the blob, such as bytes=0-1023",
    )
