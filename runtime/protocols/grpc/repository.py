"""Triton's load and unload of whole models, for who shows process mode's token, as over HTTP."""

from typing import Protocol

from registry import errors
from runtime.protocols import open_inference_repository
from runtime.protocols.grpc import messages
from runtime.protocols.grpc.terms import Context

_CHANGE = messages.of("inference.RepositoryModelRequest")


class Doors(Protocol):
    """What needs process mode's token, by the `authorization` that a caller shows."""

    async def may_preview(self, authorization: bytes) -> bool:
        """Whether versions under test are for them; they may show nothing."""

    async def change(self, authorization: bytes, act: str, model: str) -> None:
        """`load` or `unload` a model; raises `PlimsollError`."""


class Repository:
    """What `doors` lets through."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def load(self, context: Context, data: bytes) -> bytes:
        return await self._changed(context, "load", data)

    async def unload(self, context: Context, data: bytes) -> bytes:
        return await self._changed(context, "unload", data)

    async def _changed(self, context: Context, act: str, data: bytes) -> bytes:
        request = messages.read(_CHANGE, data)
        name, shown = request.model_name[:200], context.call.headers.get(b"authorization")
        if shown is None:
            raise errors.Forbidden(
                f"failed to {act} '{name}': what runs here is declared, explicit model load / "
                "unload is not allowed"
            )
        extra = request.parameters.keys() - open_inference_repository.TAKEN
        if extra:
            raise open_inference_repository.not_taken(name, extra)
        await self._doors.change(shown, act, request.model_name)
        return b""
