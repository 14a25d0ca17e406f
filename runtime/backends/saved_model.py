"""TensorFlow SavedModels, run the way TensorFlow Serving runs them: a session over the graph.

`import tensorflow` executes a public API of 12,000 names and Keras: 6.4 s here. The session and
the loader alone take 1.6 s, so only those are imported, past the package's `__init__`. Pinned in
pyproject.toml; the conformance suite is what notices if a new TensorFlow moves them.
"""

import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import protocol
from runtime.backends.bfloat16 import BFLOAT16
from runtime.backends.protocol import DEFAULT_SETTINGS, Array, Arrays, Call, Settings

TAG = "serve"
_DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string",
    9: "int64", 10: "bool", 14: "bfloat16", 17: "uint16", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip


class SavedModelBackend:
    """One session over one graph. Every signature that holds only tensors becomes a call."""

    calls: Mapping[str, Call]
    trouble = ""

    def __init__(self, files: Path, settings: Settings = DEFAULT_SETTINGS) -> None:
        engine = _engine()
        self._bfloat16 = engine.dtypes.bfloat16.as_numpy_dtype
        self._invalid = (engine.errors.InvalidArgumentError, engine.errors.OutOfRangeError)
        try:
            self._session, signatures = _opened(engine, model_folder(files), settings)
            self.calls = calls(signatures)
            self._runs = {name: self._runner(call) for name, call in self.calls.items()}
        except engine.errors.OpError as error:
            raise UnsafeModel(f"TensorFlow cannot load the model: {error.message}") from error

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`."""
        signature = self.calls[call].signature
        try:
            found = self._runs[call](
                *(self._handed_in(inputs[tensor.name]) for tensor in signature.inputs)
            )
        except self._invalid as error:
            raise InvalidInput(error.message) from error
        names = (tensor.name for tensor in signature.outputs)
        return {name: self._taken_out(value) for name, value in zip(names, found, strict=True)}

    def close(self) -> None:
        """See `Backend.close`."""
        self._session.close()

    def _handed_in(self, value: Array) -> Array:
        return value.view(self._bfloat16) if value.dtype == BFLOAT16 else value

    def _taken_out(self, value: Any) -> Array:
        if isinstance(value, bytes):
            return np.asarray(value, dtype=object)
        found: Array = np.asarray(value)
        return found.view(BFLOAT16) if found.dtype == self._bfloat16 else found

    def _runner(self, call: Call) -> Any:
        return self._session.make_callable(list(call.outputs), list(call.inputs))


def prepare() -> None:
    """Import the engine ahead of time, so that it loads while the files are still on their way."""
    _engine()


def _opened(engine: types.SimpleNamespace, folder: Path, settings: Settings) -> tuple[Any, Any]:
    graph = engine.ops.Graph()
    threads = settings.threads or os.cpu_count() or 1
    options = engine.config.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
    )
    with graph.as_default():
        session = engine.session.Session(graph=graph, config=options)
        try:
            meta_graph = engine.loader.SavedModelLoader(str(folder)).load(session, [TAG])
        except (OSError, RuntimeError, ValueError) as error:
            raise UnsafeModel(f"TensorFlow cannot load the model: {error}") from error
    graph.finalize()
    return session, meta_graph.signature_def


def _engine() -> types.SimpleNamespace:
    """The parts of TensorFlow that serve; the first call takes the import's time."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _without_public_api():
        load = importlib.import_module
        return types.SimpleNamespace(
            session=load("tensorflow.python.client.session"),
            loader=load("tensorflow.python.saved_model.loader_impl"),
            ops=load("tensorflow.python.framework.ops"),
            dtypes=load("tensorflow.python.framework.dtypes"),
            errors=load("tensorflow.python.framework.errors"),
            config=load("tensorflow.core.protobuf.config_pb2"),
        )


@contextmanager
def _without_public_api() -> Iterator[None]:
    """The stand-in package is taken away again: a later `import tensorflow` gets the real one."""
    if "tensorflow" in sys.modules:
        yield
        return
    stand_in()
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


def stand_in() -> None:
    """Let `tensorflow.python` be imported without running `tensorflow/__init__.py`."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise UnsafeModel(
            "this runtime has no TensorFlow",
            fix="use the runtime image with TensorFlow, or publish the model as ONNX",
        )
    package = types.ModuleType("tensorflow")
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    sys.modules["tensorflow"] = package


def model_folder(files: Path) -> Path:
    """The one SavedModel in `files`; raises `UnsafeModel`."""
    found = sorted(files.rglob("saved_model.pb"))
    if len(found) != 1:
        raise UnsafeModel(f"a SavedModel has exactly one saved_model.pb, found {len(found)}")
    return found[0].parent


def calls(signatures: Mapping[str, Any]) -> dict[str, Call]:
    """By name, of the signatures of a graph; raises `UnsafeModel` where none can be served."""
    found = {name: _call(one) for name, one in signatures.items() if _is_servable(one)}
    if not found:
        raise UnsafeModel(
            "the SavedModel has no signature of plain tensors",
            fix="save it with signatures={'serving_default': ...}",
        )
    return found


def _is_servable(found: Any) -> bool:
    """Whether it takes inputs (an initialiser takes none) and only dense tensors of known types."""
    infos = (*found.inputs.values(), *found.outputs.values())
    return bool(found.inputs) and all(info.name and info.dtype in _DTYPES for info in infos)


def _call(found: Any) -> Call:
    inputs, outputs = sorted(found.inputs), sorted(found.outputs)
    signature = Signature(
        tuple(_tensor(name, found.inputs[name]) for name in inputs),
        tuple(_tensor(name, found.outputs[name]) for name in outputs),
    )
    return Call(
        signature,
        found.method_name,
        tuple(found.inputs[name].name for name in inputs),
        tuple(found.outputs[name].name for name in outputs),
        protocol.has_free_rows(signature),
    )


def _tensor(name: str, info: Any) -> Tensor:
    dtype = _DTYPES[info.dtype]
    if info.tensor_shape.unknown_rank:
        return Tensor(name, dtype, None)
    sizes = (dim.size for dim in info.tensor_shape.dim)
    return Tensor(name, dtype, tuple(None if size < 0 else size for size in sizes))
