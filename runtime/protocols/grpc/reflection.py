"""gRPC's server reflection: what there is to call, and the files that describe it.

https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
Nothing of the models is told here: those have metadata of their own.
"""

from collections.abc import AsyncIterator
from typing import Any

from registry import errors
from runtime.protocols.grpc import messages
from runtime.protocols.grpc.calls import Code
from runtime.protocols.grpc.terms import Context

SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "inference.GRPCInferenceService",
    "tensorflow.serving.ModelService",
    "tensorflow.serving.PredictionService",
)
_ASKED = messages.of("grpc.reflection.v1.ServerReflectionRequest")
_SAID = messages.of("grpc.reflection.v1.ServerReflectionResponse")


async def reflect(context: Context, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """An answer to each request; one that asks for what there is not does not end the stream."""
    async for data in requests:
        request = messages.read(_ASKED, data)
        try:
            found = _found(request)
        except errors.NotFound as error:
            refusal = {"error_code": int(Code.NOT_FOUND), "error_message": error.detail}
            found = {"error_response": refusal}
        said = _SAID(valid_host=request.host, original_request=request, **found)
        yield bytes(said.SerializeToString())


def _found(request: Any) -> dict[str, Any]:
    match request.WhichOneof("message_request"):
        case "list_services":
            return {"list_services_response": {"service": [{"name": one} for one in SERVICES]}}
        case "file_by_filename":
            return _files(messages.file(request.file_by_filename))
        case "file_containing_symbol":
            return _files(messages.file_with(request.file_containing_symbol))
        case "all_extension_numbers_of_type":
            name = request.all_extension_numbers_of_type
            messages.file_with(name)
            return {"all_extension_numbers_response": {"base_type_name": name}}
        case "file_containing_extension":
            raise errors.NotFound("no message here has extensions")
        case _:
            raise errors.InvalidInput("the request asks for nothing")


def _files(found: Any) -> dict[str, Any]:
    """The file, behind all that it imports."""
    wanted: dict[str, bytes] = {}
    messages.gather(found, wanted)
    return {"file_descriptor_response": {"file_descriptor_proto": [*wanted.values()]}}
