"""gRPC's health check: `Check` for probes, `Watch` for clients that choose between servers.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
from collections.abc import AsyncIterator

from registry import errors
from runtime.protocols.grpc import messages, reflection
from runtime.protocols.grpc.terms import Context

_ASKED = messages.of("grpc.health.v1.HealthCheckRequest")
_HEALTHY = messages.of("grpc.health.v1.HealthCheckResponse")
_POLL_SECONDS = 0.5
_SERVICES = {"", *reflection.SERVICES}


async def check(context: Context, data: bytes) -> bytes:
    service = messages.read(_ASKED, data).service
    if service not in _SERVICES:
        raise errors.NotFound(f"there is no service '{service[:200]}' here")
    return _said(_status(context, service))


async def watch(context: Context, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What it is now, and then whenever it has changed, until this process goes down."""
    async for data in requests:
        service, said = messages.read(_ASKED, data).service, ""
        while not (context.serving.is_draining and said):
            status = _status(context, service)
            if status != said:
                said = status
                yield _said(status)
            await asyncio.sleep(_POLL_SECONDS)
        return


def _status(context: Context, service: str) -> str:
    if service not in _SERVICES:
        return "SERVICE_UNKNOWN"
    return "SERVING" if context.serving.is_ready() else "NOT_SERVING"


def _said(status: str) -> bytes:
    return bytes(_HEALTHY(status=status).SerializeToString())
