"""The gRPC server: its port, its limits, and which function answers which method.

It runs on the runtime's own event loop. Requests arrive as bytes and are parsed here, so that one
that is no message is the client's error (INVALID_ARGUMENT), and no defect of ours.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio

from registry import errors
from runtime.observing import current
from runtime.protocols.grpc import models, prediction
from runtime.protocols.grpc.inference import Inference
from runtime.protocols.grpc.terms import Context, code
from runtime.serving import Serving

Method = Callable[[Context, bytes], Awaitable[bytes]]
MayPreview = Callable[[bytes], Awaitable[bool]]

_MOST_STREAMS = 1024  # of one connection, at one time
_HEADER_ROOM = 64 * 1024  # a message is its tensors and a little more
_LONGEST_TEXT = 2000  # of an error: it goes in a header, of which clients take 8 KiB
_log = logging.getLogger("plimsoll.runtime")


class Server:
    """Made and stopped on the event loop. Raises `InvalidConfig` for an address not to be had."""

    def __init__(self, address: str, serving: Serving, may_preview: MayPreview) -> None:
        self._server = grpc.aio.server(
            handlers=[_Handler(serving, may_preview)],
            options=[
                ("grpc.max_receive_message_length", serving.limits.body_bytes + _HEADER_ROOM),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_concurrent_streams", _MOST_STREAMS),
                ("grpc.so_reuseport", 0),  # a second process must not take half the requests
                ("grpc.keepalive_time_ms", 120_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        try:
            self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise errors.InvalidConfig(
                f"'grpcListen' is {address!r}, which cannot be listened on", fix="name a free port"
            ) from error

    async def start(self) -> None:
        await self._server.start()

    async def stop(self, *, seconds: float) -> None:
        """No new requests; those in flight get `seconds` to finish."""
        await self._server.stop(seconds)


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds a method by its path; gRPC itself says UNIMPLEMENTED to any other."""

    def __init__(self, serving: Serving, may_preview: MayPreview) -> None:
        self._serving = serving
        self._may_preview = may_preview
        inference = Inference()
        unary = {path: grpc.unary_unary_rpc_method_handler(self._answering(method))
                 for path, method in _methods(inference).items()}  # fmt: skip
        stream = grpc.stream_stream_rpc_method_handler(self._streaming(inference))
        self._methods = unary | {f"{_TRITON}ModelStreamInfer": stream}

    def service(self, details: Any) -> Any:
        return self._methods.get(details.method)

    def _answering(self, method: Method) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def answer(data: bytes, call: Any) -> bytes:
            try:
                return await method(await self._context(call), data)
            except errors.PlimsollError as error:
                await _abort(call, error)
            except Exception:  # noqa: BLE001  the outermost boundary
                await _give_up(call)

        return answer

    def _streaming(self, inference: Inference) -> Callable[..., AsyncIterator[bytes]]:
        async def answer(requests: Any, call: Any) -> AsyncIterator[bytes]:
            async for data in requests:
                try:
                    found = await inference.streamed(await self._context(call), data)
                except Exception:  # noqa: BLE001  the outermost boundary
                    await _give_up(call)
                yield found

        return answer

    async def _context(self, call: Any) -> Context:
        headers = {
            name.encode(): value.encode() if isinstance(value, str) else value
            for name, value in call.invocation_metadata() or ()
        }
        current.begin(headers)
        preview = await self._may_preview(headers.get(b"authorization", b""))
        return Context(self._serving, preview, call.time_remaining())


async def _abort(call: Any, error: errors.PlimsollError) -> NoReturn:
    said = error.detail.encode()[:_LONGEST_TEXT].decode(errors="ignore")
    await call.abort(getattr(grpc.StatusCode, code(error)), said)
    raise AssertionError("abort returned")


async def _give_up(call: Any) -> NoReturn:
    """A defect costs one request its answer, never the process, and tells nothing."""
    _log.exception("gRPC request failed")
    await call.abort(grpc.StatusCode.INTERNAL, "internal error")
    raise AssertionError("abort returned")


_TRITON = "/inference.GRPCInferenceService/"


def _methods(inference: Inference) -> Mapping[str, Method]:
    predict, model = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
    absent = {
        f"{kind}SharedMemory{act}": models.shared_memory
        for kind in ("System", "Cuda")
        for act in ("Status", "Register", "Unregister")
    }
    triton: dict[str, Method] = {
        "ServerLive": models.live,
        "ServerReady": models.ready,
        "ServerMetadata": models.server,
        "ModelReady": models.model_ready,
        "ModelMetadata": models.metadata,
        "ModelConfig": models.configuration,
        "ModelStatistics": models.statistics,
        "ModelInfer": inference.infer,
        "RepositoryIndex": models.index,
        "RepositoryModelLoad": models.load,
        "RepositoryModelUnload": models.unload,
        "TraceSetting": models.trace,
        "LogSettings": models.log,
        **absent,
    }
    return {
        **{_TRITON + name: method for name, method in triton.items()},
        f"{predict}Predict": prediction.predict,
        f"{predict}GetModelMetadata": prediction.metadata,
        f"{predict}Classify": prediction.unsupported,
        f"{predict}Regress": prediction.unsupported,
        f"{predict}MultiInference": prediction.unsupported,
        f"{model}GetModelStatus": prediction.status,
        f"{model}HandleReloadConfigRequest": prediction.reload,
        "/grpc.health.v1.Health/Check": models.health,
    }
