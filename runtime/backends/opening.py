"""Which backend reads which format, and the warm-up that precedes the first request.

A backend's engine is heavy to import, so it is imported here and when it is first needed.
A version whose steps parse what clients send runs in a process of its own, whatever was asked.
"""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from registry.core.steps import FILE
from registry.core.tensors import Signature
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import isolated, protocol, worker
from runtime.backends.protocol import DEFAULT_SETTINGS, Backend, Settings
from runtime.tuning import Tuning

if TYPE_CHECKING:
    from registry.core.steps.document import Steps


def prepare(form: str, isolation: str) -> None:
    """Import the engine for `form`, which may go on while the files are still on their way.

    Where the version runs in another process, this one is spared the engine.
    """
    if isolation == "process":
        return
    match form:
        case "ensemble":
            pass  # its members have theirs
        case "onnx":
            from runtime.backends import onnx  # noqa: F401, PLC0415
        case "torchscript":
            _torch_script()
        case _:
            from runtime.backends import saved_model  # noqa: PLC0415

            saved_model.prepare()


def settings(isolation: str, tuning: Tuning, *, seconds: float) -> Settings:
    """How a version is opened, as its entry in the runtime's file has it."""
    return Settings(tuning.threads, isolation, seconds, tuning.weights, tuning.memory_bytes)


def opened(form: str, files: Path, settings: Settings = DEFAULT_SETTINGS) -> Backend:
    """A loaded and warmed-up version; raises `UnsafeModel` where the files cannot be served, and
    `Unavailable` or `OSError` where a process for it could not be started, or was killed."""
    steps = _steps(files)
    if steps is not None and steps.is_exposed:
        settings = replace(settings, isolation="process")
    match settings.isolation:
        case "process":
            return _warmed_up(isolated.IsolatedBackend(form, files, settings))
        case "trial":
            _warmed_up(isolated.IsolatedBackend(form, files, settings)).close()
    return _warmed_up(loaded(form, files, settings))


def loaded(form: str, files: Path, settings: Settings) -> Backend:
    """The version in this process, with its steps; raises `UnsafeModel`."""
    steps = _steps(files)
    if steps is None:
        return _model(form, files, settings)
    from runtime.backends.steps.stepped import SteppedBackend  # noqa: PLC0415  as above

    # Made-up images and texts reach no model, so it is warmed up without its steps.
    model = _warmed_up(_model(form, files, settings))
    try:
        return SteppedBackend(model, steps, files)
    except UnsafeModel:
        model.close()
        raise


def _steps(files: Path) -> "Steps | None":
    """What stands before and behind the model; raises `UnsafeModel`. Most have nothing there."""
    if not (files / FILE).is_file():
        return None
    from runtime.backends.steps import stepped  # noqa: PLC0415  its kinds take a while to import

    return stepped.declared(files)


def _model(form: str, files: Path, settings: Settings) -> Backend:
    match form:
        case "gradients of torchscript":
            from runtime.backends.torch_gradients import TorchGradients  # noqa: PLC0415

            return TorchGradients(files, settings)
        case "gradients of saved_model":
            from runtime.backends.saved_model_gradients import SavedModelGradients  # noqa: PLC0415

            return SavedModelGradients(files)
        case "onnx":
            from runtime.backends.onnx import OnnxBackend  # noqa: PLC0415

            return OnnxBackend(files, settings)
        case "torchscript":
            made: Backend = _torch_script().TorchScriptBackend(files, settings)
            return made
        case _:
            from runtime.backends.saved_model import SavedModelBackend  # noqa: PLC0415

            return SavedModelBackend(files, settings)


def _torch_script() -> ModuleType:
    try:
        from runtime.backends import torch_script  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UnsafeModel(
            "this runtime has no PyTorch",
            fix="install the extra `torchscript`, or publish the model as ONNX",
        ) from error
    return torch_script


def _warmed_up(backend: Backend) -> Backend:
    for name, call in backend.calls.items():
        try:
            backend.run(name, protocol.zeros(call.signature))
        except Exception as error:
            if worker.is_killed(error):
                backend.close()
                raise
            if isinstance(error, InvalidInput) or not _is_certain(call.signature):
                continue  # what was made up for the warm-up is at fault, not the model
            backend.close()
            raise UnsafeModel(f"it fails on zeros of its declared shapes: {error}") from error
    return backend


def _is_certain(signature: Signature) -> bool:
    """Whether zeros must be a good input: numbers, every size but the batch's declared."""
    return all(
        tensor.shape is not None and None not in tensor.shape[1:] and tensor.dtype != "string"
        for tensor in signature.inputs
    )
