"""A model's own process: loads one version, says what it offers, answers until it is left alone.

    python -m runtime.backends.in_child FD FORMAT FOLDER THREADS WEIGHTS

FD is a socket: on it goes one frame with the calls, then each descriptor that comes is one more
connection to answer on. When the socket ends, so does the process.
"""

import ctypes
import os
import resource
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

from registry.core.canonical import Json
from registry.errors import InvalidInput, PlimsollError
from runtime.backends import frames, opening
from runtime.backends.protocol import Backend, Call, Settings

_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_NO_NEW_PRIVILEGES = 38
_FIRST_TO_GO = "800"


def main(descriptor: int, form: str, folder: Path, settings: Settings) -> None:
    """Never returns."""
    _shut_in()
    control = socket.socket(fileno=descriptor)
    try:
        backend = opening.loaded(form, folder, settings)
    except PlimsollError as error:
        frames.send(control, {"error": error.detail, "code": error.code}, {}, until=float("inf"))
        os._exit(1)
    calls: dict[str, Json] = {name: _document(call) for name, call in backend.calls.items()}
    frames.send(control, {"calls": calls}, {}, until=float("inf"))
    control.settimeout(None)
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            os._exit(0)  # not through destructors: a request may still be inside the engine
        channel = socket.socket(fileno=descriptors[0])
        threading.Thread(target=_serve, args=(channel, backend), daemon=True).start()


def _shut_in() -> None:
    """What costs a model nothing and a payload a lot: no network, no new rights, no core file.

    Whatever of it this machine forbids is left out; what is verified and scanned goes on.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) != 0:
        libc.unshare(_NEW_NETWORK | _NEW_USER)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Where memory runs out it is this process that the kernel ends, not the runtime.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def _serve(channel: socket.socket, backend: Backend) -> None:
    with channel, suppress(frames.Broken):
        while True:
            head, inputs = frames.receive(channel)
            try:
                outputs = backend.run(str(head["call"]), inputs)
            except InvalidInput as error:
                answer, outputs = {"invalid": error.detail}, {}
            except Exception as error:  # noqa: BLE001  the boundary of one request
                answer, outputs = {"failed": f"{type(error).__name__}: {error}"[:2000]}, {}
            else:
                answer = {}
            frames.send(channel, {**answer}, outputs, until=float("inf"))


def _document(call: Call) -> dict[str, Json]:
    return {
        "signature": call.signature.document(),
        "method": call.method,
        "inputs": list(call.inputs),
        "outputs": list(call.outputs),
        "batches": call.batches,
    }


if __name__ == "__main__":
    told = Settings(threads=int(sys.argv[4]) or None, weights=sys.argv[5])
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), told)
