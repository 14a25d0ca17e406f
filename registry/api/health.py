"""Is it alive, is it ready, and how is it doing: open to everybody, and saying little."""

from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from registry.api.access import guarded
from registry.usecases.readiness import Readiness

router = guarded("health")

_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "Not ready; each check says why, or the process is stopping"}
}


@router.get("/livez", summary="The process answers")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="All that this process needs answers", responses=_NOT_READY)
@router.get("/healthz", summary="Same as /readyz", responses=_NOT_READY)
def readyz(request: Request) -> Response:
    """One line for each check: `ok`, or what is wrong."""
    if request.app.state.stopping.has_begun():
        return _answer("stopping", {}, status=503)
    readiness: Readiness = request.app.state.readiness
    found = readiness.report()
    if found.is_ready:
        return _answer("ok", dict(found.checks), status=200)
    return _answer("unavailable", dict(found.checks), status=503)


@router.get("/metrics", summary="Prometheus metrics")
def metrics(request: Request) -> Response:
    content = generate_latest(request.app.state.metrics.collected)
    return Response(content, media_type=CONTENT_TYPE_LATEST)


def _answer(said: str, checks: dict[str, str], *, status: int) -> JSONResponse:
    headers = {"Cache-Control": "no-store"}
    return JSONResponse({"status": said, "checks": checks}, status_code=status, headers=headers)
