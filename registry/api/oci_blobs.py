"""OCI distribution 1.1: blobs and their uploads. The bytes take the same way as all others."""

from contextlib import suppress
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from registry import errors
from registry.api import blobs, layers
from registry.api import oci_wire as wire
from registry.api.access import Opened, guarded
from registry.api.uploads import declared
from registry.core import oci
from registry.usecases import oci as repositories
from registry.usecases import oci_blobs, scoping, transfers
from registry.usecases.images import Layer
from registry.usecases.opening import Registry

router = guarded("oci", prefix="/v2")

_BLOB = "/{name:path}/blobs/{digest}"
_UPLOADS = "/{name:path}/blobs/uploads/"
_UPLOAD = "/{name:path}/blobs/uploads/{upload}"
_DIGEST = Query(description="The body is all of the blob, and this its digest")
_MOUNT = Query(description="A blob's digest that another repository has")
_FROM = Query(alias="from", description="The repository that has it")


@router.post(_UPLOADS, status_code=202, summary="Begin to push a blob", openapi_extra=wire.BYTES)
@router.post(_UPLOADS.rstrip("/"), status_code=202, summary="The same", openapi_extra=wire.BYTES)
async def end_4(
    request: Request,
    registry: Opened,
    name: str,
    digest: Annotated[str | None, _DIGEST] = None,
    mount: Annotated[str | None, _MOUNT] = None,
    source: Annotated[str, _FROM] = "",
) -> Response:
    """With `digest` the body is the blob; with `mount` no body is needed; else 202 to go on."""
    oci.repository(name)
    if digest is not None:
        oci.digest_of(digest)
        _, size = declared(request.headers)
        await transfers.take(registry, request.stream(), digest, size=size)
        return await run_in_threadpool(_kept, registry, name, digest)
    if mount is not None:
        mounting = oci_blobs.mount
        if source:
            await run_in_threadpool(scoping.require, registry, request.state.caller, source)
        if await run_in_threadpool(mounting, registry, name, mount, source=source):
            return _created(name, mount)
    upload = await run_in_threadpool(transfers.begin, registry)
    return Response(status_code=202, headers=_progress(name, upload, 0))


@router.get(_UPLOAD, status_code=204, summary="Ask how far a push has come")
def end_13(registry: Opened, name: str, upload: str) -> Response:
    oci.repository(name)
    offset = transfers.offset(registry, upload)
    return Response(status_code=204, headers=_progress(name, upload, offset))


@router.patch(_UPLOAD, status_code=202, summary="Push some bytes", openapi_extra=wire.BYTES)
async def end_5(request: Request, registry: Opened, name: str, upload: str) -> Response:
    """A `Content-Range` must go on where the last one ended; without one the bytes just follow."""
    oci.repository(name)
    start, size = declared(request.headers)
    end = await transfers.append(registry, upload, request.stream(), start=start, size=size)
    return Response(status_code=202, headers=_progress(name, upload, end))


@router.put(
    _UPLOAD, status_code=201, summary="Push the last bytes, if any", openapi_extra=wire.BYTES
)
async def end_6(
    request: Request, registry: Opened, name: str, upload: str, digest: Annotated[str, Query()]
) -> Response:
    oci.repository(name)
    oci.digest_of(digest)
    start, size = declared(request.headers)
    if size != 0:
        # An upload that is gone may be one that was finished, and only the answer was lost.
        with suppress(errors.NotFound):
            await transfers.append(registry, upload, request.stream(), start=start, size=size)
    return await run_in_threadpool(_finished, registry, name, upload, digest)


@router.delete(_UPLOAD, status_code=204, summary="Give a push up")
def abort(registry: Opened, name: str, upload: str) -> Response:
    oci.repository(name)
    transfers.abort(registry, upload)
    return Response(status_code=204, headers=wire.VERSION)


@router.api_route(_BLOB, methods=["GET"], summary="Pull a blob, or a range of it")
@router.api_route(_BLOB, methods=["HEAD"], summary="Ask whether a blob is in the repository")
async def end_2(request: Request, registry: Opened, name: str, digest: str) -> Response:
    document = await run_in_threadpool(repositories.blob, registry, name, digest)
    if document is None:
        return await blobs.answer(request, registry, digest)
    if isinstance(document, Layer):
        return await layers.answer(request, registry, document)
    headers = wire.VERSION | {
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Content-Length": str(len(document)),
    }
    content = b"" if request.method == "HEAD" else document
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.delete(_BLOB, status_code=202, summary="Take a blob out of the repository")
def end_10(registry: Opened, name: str, digest: str) -> Response:
    oci_blobs.remove(registry, name, digest)
    return Response(status_code=202, headers=wire.VERSION)


def _finished(registry: Registry, name: str, upload: str, digest: str) -> Response:
    try:
        transfers.offset(registry, upload)
    except errors.NotFound:
        # Whoever names an upload that is not there gets no blob that others pushed.
        if not oci_blobs.is_linked(registry, name, digest):
            raise
    transfers.finish(registry, upload, digest)
    return _kept(registry, name, digest)


def _kept(registry: Registry, name: str, digest: str) -> Response:
    if not oci_blobs.link(registry, name, digest):
        raise errors.Unavailable(f"{digest} was removed just now", fix="push it again")
    return _created(name, digest)


def _created(name: str, digest: str) -> Response:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=wire.VERSION | headers)


def _progress(name: str, upload: str, offset: int) -> dict[str, str]:
    return wire.VERSION | {
        "Location": f"/v2/{name}/blobs/uploads/{upload}",
        "Range": f"0-{max(offset - 1, 0)}",
        "Docker-Upload-UUID": upload,
    }
