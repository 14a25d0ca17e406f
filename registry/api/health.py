"""Is it alive, is it ready, and how is it doing: open to everybody, and saying little."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from registry import errors
from registry.api.access import Opened

router = APIRouter(tags=["health"])


@router.get("/livez", summary="The process answers")
def livez() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="Database and blob store answer")
@router.get("/healthz", summary="Same as /readyz")
def readyz(registry: Opened) -> dict[str, str]:
    registry.database.ping()
    if not registry.uploads.spool.is_dir():
        raise errors.Unavailable("the upload spool is gone")
    return {"status": "ok"}


@router.get("/metrics", summary="Prometheus metrics")
def metrics(request: Request) -> Response:
    content = generate_latest(request.app.state.metrics.collected)
    return Response(content, media_type=CONTENT_TYPE_LATEST)
