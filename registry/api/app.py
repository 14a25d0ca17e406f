"""Builds the application: one open registry, its routes, and who may call them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from fastapi import Depends, FastAPI, Request

from registry import errors
from registry.api import problems, tracing, working
from registry.api.access import authorise
from registry.api.limits import BodyLimit
from registry.api.metrics import Metrics
from registry.api.observing import Observing
from registry.api.parts import Part, Parted
from registry.api.straight import Straight
from registry.api.threads import Threads
from registry.settings import Settings
from registry.usecases import access, opening

_LOG = structlog.get_logger("registry.api")
_TIDY_EVERY = 600.0
# The dialects come last: theirs are the widest paths.
_PARTS = (
    ("uploads", "/v1/(uploads|blobs|missing-blobs)"),
    ("blobs", "/v1/(blobs|wanted-blobs)"),
    ("models", "/v1/models"),
    ("evidence", "/v1/models/[^/]+/versions/[^/]+/evidence"),
    ("optimisations", "/v1/optimisations"),
    ("images", "/v1/models/[^/]+/versions/[^/]+/images"),
    ("watermark", "/v1/(watermark|models/[^/]+/versions/[^/]+/watermark)"),
    ("search", "/v1/(models|versions)"),
    ("reports", "/v1/(deployments|events|trust)"),
    ("history", "/v1/deployments/[^/]+/[^/]+/log"),
    ("tokens", "/v1/tokens"),
    ("hosts", "/v1/(hosts|enrol)"),
    ("steering", "/v1/(host-leases|rollouts)"),
    ("agents", "/v1/agents"),
    ("requests", "/v1/requests"),
    ("whoami", "/v1/whoami"),
    ("persons", "/v1/persons"),
    ("log", "/log"),
    ("log_search", "/v1/log"),
    ("audit", "/v1/audit"),
    ("stream", "/v1/events/stream"),
    ("live", "/live"),
    ("webhooks", "/v1/webhooks"),
    ("retention", "/v1/(retention|holds|models/[^/]+(/versions/[^/]+)?/erase)"),
    ("health", "/(livez|readyz|healthz|metrics)"),
    (
        "pages",
        "/(deployments|experiments|ho(ld|st)s|language|log(in|out)?|models|policies|promotions|static)?",
    ),
    ("mlflow", "/api/2.0/mlflow/registered-models"),
    ("mlflow_versions", "/api/2.0/mlflow/model-versions"),
    ("mlflow_webhooks", "/api/2.0/mlflow/webhooks"),
    ("mlflow_artifacts", "/api/2.0/mlflow-artifacts"),
    ("oci_blobs", "/v2/.*/blobs"),
    ("oci", "/v2"),
)


def create_app(settings: Settings) -> Parted:
    """Open the registry, on a first start making all it needs, and give the application."""
    exporter = tracing.exporter(settings)
    registry = tracing.instrumented(opening.open_registry(settings), exporter)
    if access.mint_first(registry):
        _LOG.info("admin token minted", file=str(settings.admin_token_file))
    app = Parted(
        [Part(f"registry.api.{name}", paths) for name, paths in _PARTS],
        title="Plimsoll registry",
        summary="Signed model versions, their evidence, and a log of all that happened",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(authorise)],
        lifespan=_lifespan,
        telemetry=tracing.telemetry(exporter),
    )
    app.state.registry = registry
    app.state.metrics = Metrics(registry)
    app.state.threads = Threads()
    working.Working(app, exporter)
    problems.install(app)
    app.add_api_route("/openapi.json", _openapi, methods=["GET"], include_in_schema=False)
    largest, metrics = settings.limits.max_document_bytes, app.state.metrics
    app.add_middleware(BodyLimit, max_bytes=largest)
    app.add_middleware(Observing, metrics=metrics)
    if exporter is None:
        app.straight = Straight(
            app, app.parts, lambda inner: Observing(BodyLimit(inner, largest), metrics)
        )
    return app


def _openapi(request: Request) -> dict[str, Any]:
    document: dict[str, Any] = request.app.openapi()
    return document


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    tidying = asyncio.create_task(_tidy(app.state.registry))
    app.state.working.start()
    yield
    await asyncio.to_thread(app.state.working.stop)
    tidying.cancel()
    with suppress(asyncio.CancelledError):
        await tidying
    app.state.threads.close()
    app.state.registry.close()


async def _tidy(registry: opening.Registry) -> None:
    """Half-finished uploads that nobody comes back for do not fill the disk."""
    while True:
        ttl = registry.settings.limits.upload_ttl
        try:
            expired = await asyncio.to_thread(registry.uploads.expire, older_than=ttl)
        except errors.PlimsollError as error:
            _LOG.warning("uploads could not be tidied", detail=error.detail)
        else:
            if expired:
                _LOG.info("uploads expired", count=expired)
        await asyncio.sleep(_TIDY_EVERY)
