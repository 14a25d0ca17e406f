"""Triton's GRPCInferenceService: what it says of the server and of models without running one."""

from registry import errors
from runtime.protocols import open_inference_models, open_inference_statistics
from runtime.protocols.grpc import messages
from runtime.protocols.grpc.terms import Context
from runtime.protocols.open_inference_plan import Plan, Plans
from runtime.table import Slot, State

_MODEL = messages.of("inference.ModelRequest")
_LIVE = messages.of("inference.ServerLiveResponse")
_READY = messages.of("inference.ServerReadyResponse")
_SERVER = messages.of("inference.ServerMetadataResponse")
_MODEL_READY = messages.of("inference.ModelReadyResponse")
_DESCRIBED = messages.of("inference.ModelMetadataResponse")
_CONFIGURED = messages.of("inference.ModelConfigResponse")
_COUNTED = messages.of("inference.ModelStatisticsResponse")
_INDEX = messages.of("inference.RepositoryIndexRequest")
_INDEXED = messages.of("inference.RepositoryIndexResponse")
_LARGEST_VERSION = 2**63 - 1
_HTTP_ALONE = {"binary_tensor_data"}


async def live(context: Context, data: bytes) -> bytes:
    return bytes(_LIVE(live=True).SerializeToString())


async def ready(context: Context, data: bytes) -> bytes:
    return bytes(_READY(ready=context.serving.is_ready()).SerializeToString())


async def server(context: Context, data: bytes) -> bytes:
    said = open_inference_models.server()
    extensions = [name for name in said["extensions"] if name not in _HTTP_ALONE]
    return bytes(_SERVER(**(said | {"extensions": extensions})).SerializeToString())


async def model_ready(context: Context, data: bytes) -> bytes:
    """False, and not an error, for what is not here: as Triton answers."""
    request = messages.read(_MODEL, data)
    try:
        found(context, request.name, request.version)
        is_ready = True
    except (errors.NotFound, errors.Unavailable):
        is_ready = False
    return bytes(_MODEL_READY(ready=is_ready).SerializeToString())


async def metadata(context: Context, data: bytes) -> bytes:
    slot, plan = _planned(context, data)
    said = open_inference_models.described(slot, plan, _of_model(context, plan.model))
    return bytes(_DESCRIBED(**said).SerializeToString())


async def configuration(context: Context, data: bytes) -> bytes:
    said = open_inference_models.configuration(*_planned(context, data))
    said.pop("parameters", None)
    return bytes(_CONFIGURED(config=said).SerializeToString())


async def index(context: Context, data: bytes) -> bytes:
    request = messages.read(_INDEX, data)
    said = [open_inference_models.indexed(slot) for slot in _visible(context)
            if slot.state is State.AVAILABLE or not request.ready]  # fmt: skip
    return bytes(_INDEXED(models=said).SerializeToString())


async def statistics(context: Context, data: bytes) -> bytes:
    """Of one version, of all of a model, or of all models: the less is named, the more is told."""
    request = messages.read(_MODEL, data)
    if not request.name:
        slots = _visible(context)
    else:
        slot = found(context, request.name, request.version)
        slots = [slot] if request.version else _of_model(context, request.name)
    return bytes(_COUNTED(**open_inference_statistics.of(slots)).SerializeToString())


async def shared_memory(context: Context, data: bytes) -> bytes:
    raise errors.Unsupported("shared memory is not offered here")


async def trace(context: Context, data: bytes) -> bytes:
    raise errors.Unsupported("request traces are not set by clients here")


async def log(context: Context, data: bytes) -> bytes:
    raise errors.Unsupported("the log is not set by clients here")


def found(context: Context, model: str, version: str) -> Slot:
    """The version that a request names, in Triton's words where there is none."""
    if version and not (version.isascii() and version.isdigit()):
        raise errors.InvalidInput(
            f"failed to get model version from specified version string '{version[:80]}'"
        )
    # No version is that large: so it is one that there is not.
    number = (int(version) if len(version) < 20 else _LARGEST_VERSION) if version else None
    try:
        return context.serving.find(model, number, None, preview=context.preview)
    except errors.NotFound as error:
        which = f"'{model[:200]}'" + (f" version {number}" if number is not None else "")
        raise errors.NotFound(f"Request for unknown model: {which} is not found") from error
    except errors.Unavailable as error:
        raise errors.Unavailable(
            f"Request for unknown model: '{model}' is not at ready state: {error.detail}"
        ) from error


def _planned(context: Context, data: bytes) -> tuple[Slot, Plan]:
    request = messages.read(_MODEL, data)
    slot = found(context, request.name, request.version)
    return slot, Plans().of(slot)


def _visible(context: Context) -> list[Slot]:
    table = context.serving.table
    return [slot for slot in table.slots() if context.preview or table.is_visible(slot)]


def _of_model(context: Context, model: str) -> list[Slot]:
    return [one for one in _visible(context)
            if one.pin.model == model and one.state is State.AVAILABLE]  # fmt: skip
