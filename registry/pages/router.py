"""The pages' routes."""

import pathlib

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse

from registry import errors
from registry.pages import (
    acting_pages,
    asking_pages,
    deployments,
    host_pages,
    language,
    log_pages,
    model_pages,
    moving_pages,
    overview,
    policy_pages,
    rendering,
    signing_in,
)

router = APIRouter(include_in_schema=False)
for pages in (
    overview,
    deployments,
    host_pages,
    model_pages,
    moving_pages,
    policy_pages,
    log_pages,
    acting_pages,
    asking_pages,
):
    router.include_router(pages.router, dependencies=[Depends(rendering.marked)])
router.include_router(signing_in.router)
router.include_router(language.router)

_STATIC = pathlib.Path(__file__).parent / "static"


@router.get("/static/{name}")
def static(name: str) -> Response:
    known = {file.name: file for file in _STATIC.iterdir()}
    if name not in known:
        raise errors.NotFound(f"no file {name[:80]!r}")
    return FileResponse(known[name], headers={"Cache-Control": "max-age=300"})
