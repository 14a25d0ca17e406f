"""Uploads, in the form of the OCI distribution API: POST, PATCH as often as needed, PUT.

Or one POST with everything, or with many small blobs; or a POST that gives addresses in the
object store, for what is large.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated

from fastapi import Header, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from registry import errors
from registry.api import wire
from registry.api.access import Opened, guarded
from registry.core import digest as digests
from registry.core.canonical import Json
from registry.store.uploads import Direct, Stored
from registry.usecases import batches, transfers

router = guarded("uploads")

_RANGE = re.compile(r"(?:bytes )?([0-9]{1,19})-([0-9]{1,19})(?:/(?:[0-9]+|\*))?")
_LENGTH = re.compile(r"[0-9]{1,19}")
_DIGEST = "The body is all of the blob, and this its digest: there is nothing more to send"
_DIRECT = "Ask for addresses in the object store that take the bytes; `size` says how many"
_BEGUN: dict[int | str, dict[str, object]] = {
    201: {"description": "The body is kept under its digest"},
    202: {"description": "An upload has begun; `direct` is null where the store takes no bytes"},
}


@router.post("/v1/uploads", status_code=202, responses=_BEGUN, summary="Begin an upload")
async def begin(
    request: Request,
    registry: Opened,
    digest: Annotated[str | None, Query(description=_DIGEST)] = None,
    direct: Annotated[bool, Query(description=_DIRECT)] = False,  # noqa: FBT002  a parameter in a URL
    size: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> Response:
    if digest is not None:
        _, length = declared(request.headers)
        return _created(await transfers.take(registry, request.stream(), digest, size=length))
    if direct and size is None:
        raise errors.InvalidInput("a direct upload needs its size", fix="add size=<bytes>")
    upload = await run_in_threadpool(transfers.begin, registry)
    offered = None
    if direct and size is not None:
        offered = await run_in_threadpool(transfers.direct, registry, upload, size)
    document = {"upload": upload, "location": _path(upload), "direct": _document(offered)}
    return JSONResponse(document, status_code=202, headers=_headers(upload, 0))


@router.post("/v1/blobs", status_code=201, summary="Upload many small blobs at once")
async def several(request: Request, registry: Opened) -> dict[str, list[dict[str, str | int]]]:
    """Each one preceded by a line: its digest, a space, its size. At most 8 MiB each."""
    stored = await batches.take(registry, request.stream())
    return {"blobs": [{"digest": one.digest, "size": one.size} for one in stored]}


@router.post("/v1/missing-blobs", summary="Which of these blobs have to be uploaded")
def missing(registry: Opened, asked: wire.Digests) -> wire.Digests:
    """What is not in the answer is here already."""
    for digest in asked.digests:
        digests.parse(digest)
    return wire.Digests(digests=transfers.absent(registry, asked.digests))


@router.get("/v1/uploads/{upload}", status_code=204, summary="Ask how far an upload has come")
def progress(registry: Opened, upload: str) -> Response:
    offset = transfers.offset(registry, upload)
    return Response(status_code=204, headers=_headers(upload, offset))


@router.patch("/v1/uploads/{upload}", status_code=202, summary="Add bytes to an upload")
async def append(
    request: Request,
    registry: Opened,
    upload: str,
    content_range: Annotated[str | None, Header()] = None,
) -> Response:
    start, size = declared(request.headers)
    end = await transfers.append(registry, upload, request.stream(), start=start, size=size)
    return Response(status_code=202, headers=_headers(upload, end))


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
    start, size = declared(request.headers)
    if size != 0:
        # An upload that is gone may be one that was finished, and only the answer was lost.
        with suppress(errors.NotFound):
            await transfers.append(registry, upload, request.stream(), start=start, size=size)
    return _created(await run_in_threadpool(transfers.finish, registry, upload, digest))


@router.delete("/v1/uploads/{upload}", status_code=204, summary="Give an upload up")
def abort(registry: Opened, upload: str) -> Response:
    transfers.abort(registry, upload)
    return Response(status_code=204)


def declared(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Where a chunk starts and how long it is, as far as its sender said so.

    For every dialect that takes chunks. Raises InvalidInput.
    """
    size = _length(headers)
    content_range = headers.get("content-range")
    if content_range is None:
        return None, size
    form = _RANGE.fullmatch(content_range)
    if form is None or int(form[2]) < int(form[1]):
        raise errors.InvalidInput(
            f"Content-Range {content_range[:60]!r} is not of the form start-end",
            fix="write the first and the last byte's place, such as 0-1048575",
        )
    start, covered = int(form[1]), int(form[2]) - int(form[1]) + 1
    if size is not None and size != covered:
        raise errors.InvalidInput(
            f"Content-Range covers {covered} bytes, the body has {size}",
            fix="send exactly the bytes that Content-Range announces",
        )
    return start, covered


def _length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("content-length")
    if length is None:
        return None if "transfer-encoding" in headers else 0
    if not _LENGTH.fullmatch(length):
        raise errors.InvalidInput(
            f"Content-Length {length[:60]!r} is no number", fix="send the body's size in bytes"
        )
    return int(length)


def _created(stored: Stored) -> Response:
    headers = {"Location": f"/v1/blobs/{stored.digest}", "Docker-Content-Digest": stored.digest}
    return Response(status_code=201, headers=headers)


def _path(upload: str) -> str:
    return f"/v1/uploads/{upload}"


def _headers(upload: str, offset: int) -> dict[str, str]:
    return {
        "Location": _path(upload),
        "Range": f"0-{max(offset - 1, 0)}",
        "Upload-Offset": str(offset),
        "Docker-Upload-UUID": upload,
    }


def _document(offered: Direct | None) -> Json:
    if offered is None:
        return None
    return {
        "method": "PUT",
        "headers": dict(offered.headers),
        "expires": offered.expires.isoformat(timespec="seconds"),
        "parts": [{"start": p.start, "stop": p.stop, "url": p.url} for p in offered.parts],
    }
