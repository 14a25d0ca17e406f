"""The process: it listens at once, brings versions up behind that, and goes down in order.

Routes by the first segment of the path to a dialect, to process mode's control, or to the few
pages here. On SIGTERM: not ready, no new connections, requests in flight finish, exit code 0.
"""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from registry import errors
from runtime import config, metrics, status
from runtime.config import Config
from runtime.control import Control
from runtime.first_load import FirstLoad
from runtime.observing import current
from runtime.protocols import (
    http,
    kserve_v1,
    observed,
    open_inference,
    open_inference_repository,
    tensorflow_serving,
    warmup_files,
)
from runtime.protocols.http import Answer, Request
from runtime.protocols.open_inference import OpenInference
from runtime.refusals import WrongMethod
from runtime.serving import Serving
from runtime.wire import server as wire

_CHANGES = "/v2/repository/models/"
_MODELS = ("/v1/models/", "/v2/models/")
_EVENTS_SECONDS = 2.0
_PAGES = frozenset(
    {"/livez", "/readyz", "/plimsoll/status", "/metrics", "/monitoring/prometheus/metrics"}
)
_NO_TOKEN = errors.Unauthenticated(
    "this page tells of inputs and answers", fix="send the runtime's control token: Bearer ..."
)
_log = logging.getLogger("plimsoll.runtime")


class Application:
    """Answers by dialect."""

    def __init__(self, serving: Serving, changes: Control) -> None:
        self._serving = serving
        self._control = changes
        self._open_inference = OpenInference(serving)
        self.first_load: FirstLoad | None = None

    async def answer(self, request: Request) -> Answer:
        """See `wire.connection.Application`."""
        try:
            return await self._answer(request)
        except Exception:  # noqa: BLE001  the outermost boundary
            # A defect costs one request its answer, never the process.
            _log.exception("request failed", extra={"path": request.path})
            return http.json_answer(500, {"error": "internal error"})

    async def may_preview(self, authorization: bytes) -> bool:
        """As for HTTP, of a caller that shows this; empty for one that shows nothing."""
        shown = {b"authorization": authorization} if authorization else {}
        return await self._control.may_preview(Request("POST", "gRPC", shown, b""))

    async def change(self, authorization: bytes, act: str, model: str) -> None:
        """As Triton's load and unload over HTTP; see `protocols.grpc.terms.Doors`."""
        shown = Request("POST", "gRPC", {b"authorization": authorization}, b"")
        await self._changed(shown, act, model)

    def refusal(self, path: str, error: errors.PlimsollError) -> Answer:
        """See `wire.connection.Application`; all dialects that clients speak say it like this."""
        if path.startswith("/plimsoll/"):
            return http.problem(error)
        document = {"error": error.detail}
        return http.json_answer(error.status, document, *http.extra_headers(error))

    async def _answer(self, request: Request) -> Answer:
        path = request.path
        current.begin(request.headers)
        if self.first_load is not None and request.method == "POST" and path.startswith(_MODELS):
            await self.first_load.wait()
            self.first_load = None
        if path[:4].lower() == "/v1/":
            preview = await self._control.may_preview(request)
            return await tensorflow_serving.answer(self._serving, request, preview=preview)
        if path[:4] == "/v2/" or path == "/v2":
            if b"authorization" in request.headers and path.startswith(_CHANGES):
                return await self._change(request)
            preview = await self._control.may_preview(request)
            return await self._open_inference.answer(request, preview=preview)
        if path.startswith("/plimsoll/models/"):
            await asyncio.sleep(0)  # changes wait with timeouts, which are for tasks alone
            return await self._control.answer(request)
        if path == "/" and self._serving.has_kserve_v1:
            return kserve_v1.ALIVE
        is_private = path in observed.PAGES
        return await self._private(request) if is_private else self._page(request.method, path)

    async def _private(self, request: Request) -> Answer:
        """What tells of inputs and answers, for whoever may see versions that clients cannot."""
        if not await self._control.may_preview(request):
            return http.problem(_NO_TOKEN)
        return observed.answer(self._serving, request)

    async def _change(self, request: Request) -> Answer:
        """Triton's load and unload, for those who show process mode's token."""
        try:
            await self._changed(request, *open_inference_repository.change(request))
        except errors.PlimsollError as error:
            return open_inference.refused(error)
        return http.json_answer(200, {})

    async def _changed(self, request: Request, act: str, model: str) -> None:
        await asyncio.sleep(0)  # as for all changes
        if act == "load":
            await self._control.load(request, model)
        else:
            await self._control.unload(request, model)

    def _page(self, method: str, path: str) -> Answer:
        if method not in {"GET", "HEAD"}:
            is_known = path in _PAGES
            error = WrongMethod(path, "GET", "HEAD") if is_known else _unknown(method, path)
            return http.problem(error)
        match path:
            case "/livez":
                return http.json_answer(200, {"live": True})
            case "/readyz":
                ready = self._serving.is_ready()
                return http.json_answer(200 if ready else 503, {"ready": ready})
            case "/plimsoll/status":
                return http.json_answer(200, self._status())
            case "/metrics" | "/monitoring/prometheus/metrics":
                counted = self._serving.metrics
                return _text(counted.own() if path == "/metrics" else counted.tensorflow.page())
        return http.problem(_unknown(method, path))

    def _status(self) -> dict[str, object]:
        slots = self._serving.table.slots()
        models = [status.described(self._serving, slot) for slot in slots]
        recipient = self._serving.recipient
        policies = status.policies(self._serving)
        return {"host": self._serving.host, "recipient": recipient, "models": models,
                "policies": policies}  # fmt: skip


def run(loaded: Config, *, path: Path) -> None:
    """Serve until a signal comes; returns once every request has its answer."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(loaded, path))


async def _serve(loaded: Config, path: Path) -> None:
    reader = warmup_files.Reader(loaded.limits.body_bytes)
    serving = Serving(loaded, cores=os.cpu_count() or 1, recorded=reader.read)
    application = Application(serving, Control(serving, loaded, path=path))
    slots = [serving.begin(pin) for pin in config.wanted(loaded)]
    application.first_load = FirstLoad(slots)
    serving.keep(asyncio.create_task(application.first_load.then_import_the_rest()))

    def stopping(number: signal.Signals) -> None:
        _log.info("stopping", extra={"signal": number.name})
        serving.is_draining = True

    async with _grpc(loaded, serving, application):
        await wire.serve(application, loaded.address, loaded.limits, stopping=stopping)
    await asyncio.to_thread(serving.events.flush, seconds=_EVENTS_SECONDS)
    await asyncio.to_thread(serving.observatory.close)


@asynccontextmanager
async def _grpc(loaded: Config, serving: Serving, application: Application) -> AsyncIterator[None]:
    """Listens beside HTTP, and finishes what it has before the process ends."""
    if loaded.grpc_address is None:
        yield
        return
    try:
        # Of no use to who speaks HTTP alone.
        from runtime.protocols.grpc.methods import Methods  # noqa: PLC0415
        from runtime.wire.http2.server import Server  # noqa: PLC0415
    except ImportError as error:
        raise errors.InvalidConfig(
            f"grpcListen is set, and {error.name} is not installed",
            fix="pip install 'plimsoll[grpc]', or leave grpcListen out",
        ) from error
    found = Server(Methods(serving, application).find, loaded.limits)
    await found.start(loaded.grpc_address)
    try:
        yield
    finally:
        await found.stop(seconds=loaded.limits.deadline_seconds)


def _unknown(method: str, path: str) -> errors.PlimsollError:
    return errors.NotFound(f"there is no {method} {path}")


def _text(page: bytes) -> Answer:
    return Answer(200, page, ((b"content-type", metrics.CONTENT_TYPE.encode()),))
