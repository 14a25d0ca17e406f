"""OCI distribution 1.1: manifests, tags, referrers, the catalogue. `end-…` are the spec's names.

A model is a repository of its own name, with its versions as tags that nobody can push.
"""

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from registry.api import oci_wire as wire
from registry.api.access import Known, Opened, guarded
from registry.core import oci
from registry.core.canonical import Json
from registry.making import composing
from registry.usecases import oci as repositories
from registry.usecases import oci_manifests
from registry.usecases.oci_manifests import Push

router = guarded("oci", prefix="/v2")

_MANIFEST = "/{name:path}/manifests/{reference}"


@router.get("/", summary="Ask whether this is an OCI registry, and whether the token is good")
@router.get("", include_in_schema=False)
def end_1() -> JSONResponse:
    return JSONResponse({}, headers=wire.VERSION)


@router.get("/_catalog", summary="Names of repositories")
def catalogue(
    registry: Opened, caller: Known, n: wire.Limit = None, last: wire.After = ""
) -> Response:
    limit = wire.page_of(n)
    page = repositories.catalogue(registry, limit=limit, after=last, scope=caller.scope)
    document: dict[str, Json] = {"repositories": [*page.items]}
    return wire.listing(document, "/v2/_catalog", limit=limit, last=page.last)


@router.get("/{name:path}/tags/list", summary="Tags of a repository")
def end_8(registry: Opened, name: str, n: wire.Limit = None, last: wire.After = "") -> Response:
    limit = wire.page_of(n)
    page = repositories.tags(registry, name, limit=limit, after=last)
    document: dict[str, Json] = {"name": name, "tags": [*page.items]}
    return wire.listing(document, f"/v2/{name}/tags/list", limit=limit, last=page.last)


@router.get("/{name:path}/referrers/{digest}", summary="What is about a manifest")
def end_12(
    registry: Opened,
    name: str,
    digest: str,
    artifact_type: Annotated[str, Query(alias="artifactType", max_length=255)] = "",
    last: wire.After = "",
) -> Response:
    found = repositories.referrers(registry, name, digest, artifact_type=artifact_type, after=last)
    answer = Response(found.index(), media_type=oci.INDEX, headers=wire.VERSION)
    if artifact_type:
        answer.headers["OCI-Filters-Applied"] = "artifactType"
    if found.last:
        query = {"artifactType": artifact_type, "last": found.last}
        given = {key: value for key, value in query.items() if value}
        answer.headers["Link"] = wire.next_page(f"/v2/{name}/referrers/{digest}", **given)
    return answer


@router.get(_MANIFEST, summary="A manifest, by tag or digest")
def end_3(request: Request, registry: Opened, caller: Known, name: str, reference: str) -> Response:
    """What a host gets of a version this way is recorded in the log before it is answered."""
    is_run = wire.takes_index(request)
    found = composing.manifest(registry, name, reference, is_run=is_run)
    headers = _headers(found)
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    repositories.pulled(registry, name, found, caller)
    return Response(found.content, media_type=found.media_type, headers=headers)


@router.head(_MANIFEST, summary="Ask whether a manifest is there")
def end_3_head(request: Request, registry: Opened, name: str, reference: str) -> Response:
    is_run = wire.takes_index(request)
    found = composing.manifest(registry, name, reference, is_run=is_run)
    headers = _headers(found) | {"Content-Length": str(len(found.content))}
    return Response(media_type=found.media_type, headers=headers)


@router.put(
    _MANIFEST,
    status_code=201,
    summary="Push a manifest under a tag or its digest",
    openapi_extra=wire.MANIFEST,
)
async def end_7(
    request: Request, registry: Opened, caller: Known, name: str, reference: str
) -> Response:
    """All that it refers to must be there, but for its subject, which may come later."""
    content_type = request.headers.get("content-type", "")
    push = Push(name, reference, await request.body(), content_type)
    pushed = await run_in_threadpool(oci_manifests.push, registry, push, caller)
    headers = wire.VERSION | {
        "Location": f"/v2/{name}/manifests/{pushed.digest}",
        "Docker-Content-Digest": pushed.digest,
    }
    if pushed.subject:
        headers["OCI-Subject"] = pushed.subject
    return Response(status_code=201, headers=headers)


@router.delete(_MANIFEST, status_code=202, summary="Delete a tag, or a manifest with its tags")
def end_9(registry: Opened, caller: Known, name: str, reference: str) -> Response:
    oci_manifests.delete(registry, name, reference, caller)
    return Response(status_code=202, headers=wire.VERSION)


def _headers(found: repositories.Found) -> dict[str, str]:
    return wire.VERSION | {
        "Docker-Content-Digest": found.digest,
        "ETag": f'"{found.digest}"',
        "Vary": "Accept",
    }
