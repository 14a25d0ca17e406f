"""Uploads, in the form of the OCI distribution API: POST, PATCH as often as needed, PUT."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from registry import errors
from registry.api.access import Opened
from registry.core import digest as digests

router = APIRouter(tags=["uploads"])

_RANGE = re.compile(r"(?:bytes )?(\d{1,19})-(\d{1,19})(?:/(?:\d+|\*))?")


@router.post("/v1/uploads", status_code=202, summary="Begin an upload")
def begin(registry: Opened) -> Response:
    return _accepted(registry.uploads.begin(), 0)


@router.get("/v1/uploads/{upload}", status_code=204, summary="Ask how far an upload has come")
def progress(registry: Opened, upload: str) -> Response:
    answer = _accepted(upload, registry.uploads.offset(upload))
    answer.status_code = 204
    return answer


@router.patch(
    "/v1/uploads/{upload}",
    status_code=202,
    summary="Add bytes to an upload",
)
async def append(
    request: Request,
    registry: Opened,
    upload: str,
    content_range: Annotated[str | None, Header()] = None,
) -> Response:
    start, size = _declared(request, content_range)
    end = await registry.uploads.append(upload, request.stream(), start=start, size=size)
    return _accepted(upload, end)


@router.put(
    "/v1/uploads/{upload}",
    status_code=201,
    summary="Add the last bytes, check the digest, keep the blob",
)
async def finish(
    request: Request,
    registry: Opened,
    upload: str,
    digest: Annotated[str, Query()],
    content_range: Annotated[str | None, Header()] = None,
) -> Response:
    digests.parse(digest)
    created = Response(status_code=201, headers={"Location": f"/v1/blobs/{digest}"})
    if await run_in_threadpool(registry.uploads.is_finished, upload, digest):
        return created
    start, size = _declared(request, content_range)
    if size != 0:
        await registry.uploads.append(upload, request.stream(), start=start, size=size)
    await run_in_threadpool(registry.uploads.finish, upload, digest)
    return created


@router.delete("/v1/uploads/{upload}", status_code=204, summary="Give an upload up")
def abort(registry: Opened, upload: str) -> Response:
    registry.uploads.abort(upload)
    return Response(status_code=204)


def _accepted(upload: str, offset: int) -> Response:
    return Response(
        status_code=202,
        headers={
            "Location": f"/v1/uploads/{upload}",
            "Range": f"0-{max(offset - 1, 0)}",
            "Upload-Offset": str(offset),
            "Docker-Upload-UUID": upload,
        },
    )


def _declared(request: Request, content_range: str | None) -> tuple[int | None, int | None]:
    """Where the chunk starts and how long it is, as far as the sender said so."""
    length = request.headers.get("content-length")
    size = int(length) if length is not None else None
    if size is None and "transfer-encoding" not in request.headers:
        size = 0
    if content_range is None:
        return None, size
    form = _RANGE.fullmatch(content_range)
    if form is None or int(form[2]) < int(form[1]):
        raise errors.InvalidInput(
            f"Content-Range {content_range[:60]!r} is not of the form start-end",
            fix="write the first and the last byte's place, such as 0-1048575",
        )
    start, declared = int(form[1]), int(form[2]) - int(form[1]) + 1
    if size is not None and size != declared:
        raise errors.InvalidInput(
            f"Content-Range covers {declared} bytes, the body has {size}",
            fix="send exactly the bytes that Content-Range announces",
        )
    return start, declared
