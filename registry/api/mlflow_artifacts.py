"""MLflow's artifact proxy: files of versions to read, and a staging tree to upload to."""

import re
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from registry.api import blobs
from registry.api import mlflow_wire as wire
from registry.api.access import Known, Opened, guarded
from registry.api.mlflow_wire import ARTIFACTS
from registry.core.canonical import Json
from registry.db.artifacts import Child
from registry.usecases import artifacts, scoping, transfers

router = guarded("mlflow", prefix=ARTIFACTS)

# MLflow's client uploads in one piece when it reads these words.
_IN_ONE_PIECE = "Multipart upload is not supported for the current artifact repository"


@router.get("/artifacts", summary="What is directly in a folder")
def list_artifacts(
    registry: Opened, caller: Known, path: Annotated[str, Query()] = ""
) -> dict[str, Any]:
    scoping.require_place(registry, caller, path)
    return {"files": [_document(child) for child in artifacts.children(registry, path)]}


@router.get("/artifacts/{path:path}", summary="Download a file, or a range of it")
async def download(request: Request, registry: Opened, caller: Known, path: str) -> Response:
    """A host's first call for a version is recorded in the log before it is answered."""
    digest = await run_in_threadpool(artifacts.digest_of, registry, path, caller)
    answer = await blobs.answer(request, registry, digest)
    # Only the bytes never change: another upload may take the path.
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


@router.put(
    "/artifacts/{path:path}",
    summary="Upload a file, in place of what was there",
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}}},
)
async def upload(request: Request, registry: Opened, caller: Known, path: str) -> dict[str, Any]:
    await run_in_threadpool(artifacts.require_free, registry, path)
    length = request.headers.get("content-length", "")
    size = int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    stored = await transfers.take(registry, request.stream(), size=size)
    await run_in_threadpool(artifacts.point, registry, path, stored, caller)
    return {}


@router.delete("/artifacts/{path:path}", summary="Remove an uploaded file, or all below a folder")
def remove(registry: Opened, path: str) -> dict[str, Any]:
    artifacts.remove(registry, path)
    return {}


@router.post("/mpu/create/{path:path}", summary="Refused: files are uploaded in one piece")
def begin_in_parts(path: str) -> Response:
    return wire.refuse("INVALID_PARAMETER_VALUE", _IN_ONE_PIECE)


def _document(child: Child) -> dict[str, Json]:
    if child.size is None:
        return {"path": child.name, "is_dir": True}
    return {"path": child.name, "is_dir": False, "file_size": child.size}
