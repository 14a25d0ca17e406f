"""What a model's own process does once it is shut in: load, say so, answer on each connection."""

import os
import re
import socket
import threading
from contextlib import suppress
from pathlib import Path

from registry.core.canonical import Json
from registry.errors import InvalidInput, PlimsollError, UnsafeModel
from runtime.backends import frames, opening, shut_in
from runtime.backends.protocol import Backend, Call, Settings

# How onnxruntime, TensorFlow and PyTorch say that there was none for a tensor.
_NO_MEMORY = re.compile(r"bad.alloc|allocate|out of memory|OOM when")


def answer(descriptor: int, form: str, folder: Path, settings: Settings) -> None:
    """Never returns."""
    control = socket.socket(fileno=descriptor)
    try:
        backend = opening.loaded(form, folder, settings)
        if wrong := shut_in.before_answering(settings.memory_bytes):
            raise UnsafeModel(wrong)
    except PlimsollError as error:
        frames.send(control, {"error": error.detail, "code": error.code}, {}, until=float("inf"))
        os._exit(1)
    except MemoryError:
        os._exit(shut_in.FULL)
    serve(control, backend)


def serve(control: socket.socket, backend: Backend) -> None:
    """Never returns."""
    calls: dict[str, Json] = {name: _document(call) for name, call in backend.calls.items()}
    frames.send(control, {"calls": calls}, {}, until=float("inf"))
    control.settimeout(None)
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            os._exit(0)  # not through destructors: a request may still be inside the engine
        channel = socket.socket(fileno=descriptors[0])
        threading.Thread(target=_serve, args=(channel, backend), daemon=True).start()


def _serve(channel: socket.socket, backend: Backend) -> None:
    with channel, suppress(frames.Broken):
        try:
            while True:
                _answer_next(channel, backend)
        except MemoryError:
            os._exit(shut_in.FULL)


def _answer_next(channel: socket.socket, backend: Backend) -> None:
    """A request that wants too much fails alone; what keeps memory is ended, and begins anew."""
    head, inputs = frames.receive(channel)
    try:
        outputs = backend.run(str(head["call"]), inputs)
    except InvalidInput as error:
        answer, outputs = {"invalid": error.detail}, {}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  the boundary of one request
        said = f"{type(error).__name__}: {error}"[:2000]
        answer, outputs = {"full" if _NO_MEMORY.search(said) else "failed": said}, {}
    else:
        answer = {}
    if "full" in answer and shut_in.is_full():
        os._exit(shut_in.FULL)
    frames.send(channel, {**answer}, outputs, until=float("inf"))


def _document(call: Call) -> dict[str, Json]:
    return {
        "signature": call.signature.document(),
        "method": call.method,
        "inputs": list(call.inputs),
        "outputs": list(call.outputs),
        "batches": call.batches,
    }
