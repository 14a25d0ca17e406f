"""Which function answers which method, by its path.

Requests arrive as bytes and are parsed here, so that one that is no message is the client's error
(INVALID_ARGUMENT), and no defect of ours.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping

from registry import errors
from runtime.observing import current
from runtime.protocols.grpc import classify_regress, health, models, prediction, reflection
from runtime.protocols.grpc.calls import Call, Code, Ending, Streaming, Unary
from runtime.protocols.grpc.inference import Inference
from runtime.protocols.grpc.repository import Doors, Repository
from runtime.protocols.grpc.terms import Context, ending
from runtime.serving import Serving

Method = Callable[[Context, bytes], Awaitable[bytes]]
Stream = Callable[[Context, AsyncIterator[bytes]], AsyncIterator[bytes]]

_DEFECT = Ending(Code.INTERNAL, "internal error")  # and tells nothing
_log = logging.getLogger("plimsoll.runtime")


class Methods:
    """All of them."""

    def __init__(self, serving: Serving, doors: Doors) -> None:
        self._serving = serving
        self._doors = doors
        inference = Inference()
        unary = {path.encode(): Unary(self._answering(method))
                 for path, method in _methods(inference, Repository(doors)).items()}  # fmt: skip
        streams = {path.encode(): Streaming(self._streaming(method))
                   for path, method in _streams(inference).items()}  # fmt: skip
        self._methods: dict[bytes, Unary | Streaming] = unary | streams

    def find(self, path: bytes) -> Unary | Streaming | None:
        """None is for the transport to say UNIMPLEMENTED to."""
        return self._methods.get(path)

    def _answering(self, method: Method) -> Callable[[Call, bytes], Awaitable[bytes | Ending]]:
        async def answer(call: Call, data: bytes) -> bytes | Ending:
            try:
                return await method(await self._context(call), data)
            except errors.PlimsollError as error:
                return ending(error)
            except Exception:  # noqa: BLE001  the outermost boundary
                _log.exception("gRPC request failed")
                return _DEFECT

        return answer

    def _streaming(
        self, method: Stream
    ) -> Callable[[Call, AsyncIterator[bytes]], AsyncGenerator[bytes | Ending, None]]:
        async def answer(
            call: Call, requests: AsyncIterator[bytes]
        ) -> AsyncGenerator[bytes | Ending, None]:
            try:
                async for found in method(await self._context(call), requests):
                    yield found
            except errors.PlimsollError as error:
                yield ending(error)
            except Exception:  # noqa: BLE001  the outermost boundary
                _log.exception("gRPC request failed")
                yield _DEFECT

        return answer

    async def _context(self, call: Call) -> Context:
        current.begin(call.headers)
        shown = call.headers.get(b"authorization", b"")
        preview = await self._doors.may_preview(shown)
        return Context(self._serving, preview, call.seconds(), call)


_TRITON = "/inference.GRPCInferenceService/"


def _methods(inference: Inference, repository: Repository) -> Mapping[str, Method]:
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
        "RepositoryModelLoad": repository.load,
        "RepositoryModelUnload": repository.unload,
        "TraceSetting": models.trace,
        "LogSettings": models.log,
        **absent,
    }
    return {
        **{_TRITON + name: method for name, method in triton.items()},
        f"{predict}Predict": prediction.predict,
        f"{predict}GetModelMetadata": prediction.metadata,
        f"{predict}Classify": classify_regress.classify,
        f"{predict}Regress": classify_regress.regress,
        f"{predict}MultiInference": classify_regress.multi_inference,
        f"{model}GetModelStatus": prediction.status,
        f"{model}HandleReloadConfigRequest": prediction.reload,
        "/grpc.health.v1.Health/Check": health.check,
    }


def _streams(inference: Inference) -> Mapping[str, Stream]:
    return {
        f"{_TRITON}ModelStreamInfer": inference.streamed,
        "/grpc.health.v1.Health/Watch": health.watch,
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": reflection.reflect,
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": reflection.reflect,
    }
