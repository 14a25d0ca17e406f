"""One run of a model's own process, seen from the runtime: started, asked, and known to be gone.

Each request that is under way has a connection of its own, so no answer can reach another's.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from registry.core import fields, tensors
from registry.core.canonical import Json
from registry.errors import InvalidInput, Unavailable, UnsafeModel
from runtime.backends import frames, shut_in
from runtime.backends.protocol import Array, Arrays, Call, Settings, as_stated

_LOADING_SECONDS = 600.0
_WAIT_SECONDS = 5.0
_BACKLOG = 1 << 20
# No program ends itself by one of these.
_KILLERS = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class Ended(Exception):
    """The process is gone; the text says how. `is_killed` where somebody else ended it, be it the
    kernel for want of memory: that is no fault of what ran in it."""

    def __init__(self, how: str, *, is_killed: bool = False) -> None:
        super().__init__(how)
        self.is_killed = is_killed


def is_killed(error: Exception) -> bool:
    """Whether `error` is there only because somebody killed a model's process."""
    return isinstance(error.__cause__, Ended) and error.__cause__.is_killed


class Failed(Exception):
    """The engine gave up on this request; the process goes on."""


class Worker:
    """A process that has loaded the version. `run` is safe from several threads."""

    def __init__(self, form: str, files: Path, settings: Settings) -> None:
        self._seconds = settings.seconds
        self._memory = settings.memory_bytes
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self._late = False
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                _command(theirs.fileno(), form, files, settings),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                # Ctrl-C is for the runtime, which lets requests finish first.
                start_new_session=True,
            )
        self.calls = self._loaded()

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """Raises `InvalidInput`, `Unavailable`, `Failed`, and `Ended` where no process is left."""
        head, outputs = self._answer(call, inputs)
        if "invalid" in head:
            raise InvalidInput(str(head["invalid"]))
        if "full" in head:
            raise Unavailable(
                f"the request needs more memory than the version may take: {head['full']}",
                fix="ask for less at once, or raise spec.runtime.resources.memory",
            )
        if "failed" in head:
            raise Failed(str(head["failed"]))
        return as_stated(self.calls[call].signature, outputs)

    @property
    def process_id(self) -> int:
        """The system's number for it."""
        return self._process.pid

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._control.close()
        with self._lock:
            for channel in self._idle:
                channel.close()
            self._idle.clear()

    def _answer(self, call: str, inputs: Arrays) -> tuple[dict[str, Json], dict[str, Array]]:
        until = time.monotonic() + self._seconds
        channel = None
        try:
            channel = self._connection()
            frames.send(channel, {"call": call}, inputs, until=until)
            found = frames.receive(channel, until=until)
        except (frames.Broken, OSError) as error:  # a TimeoutError is an OSError
            if channel is not None:
                channel.close()
            self._late = self._late or isinstance(error, TimeoutError)
            raise self._ended() from error
        with self._lock:
            self._idle.append(channel)
        return found

    def _loaded(self) -> Mapping[str, Call]:
        until = time.monotonic() + _LOADING_SECONDS
        try:
            head, _ = frames.receive(self._control, until=until)
            refused = head.get("error")
            calls = {} if refused else {name: _call(name, one) for name, one in _calls(head)}
        except (frames.Broken, TimeoutError, InvalidInput) as error:
            ended = self._ended()
            said = f"the model's own process {ended} while it loaded the model"
            raise (Unavailable if ended.is_killed else UnsafeModel)(said) from error
        if refused:
            self.close()
            raise UnsafeModel(str(refused))
        return calls

    def _connection(self) -> socket.socket:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            ours, theirs = socket.socketpair()
            with theirs:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BACKLOG)
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BACKLOG)
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
            return ours

    def _ended(self) -> Ended:
        """Whoever breaks the language is ended too: it may be anything by now."""
        try:
            code = None if self._late else self._process.wait(_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        self.close()
        if self._late:
            return Ended(f"did not answer within {self._seconds:g} seconds and was ended")
        if code is None:
            return Ended("answered what cannot be read and was ended")
        if code == shut_in.FULL:
            return Ended(f"needed more memory than the {self._memory >> 20} MiB that it may take")
        if code >= 0:
            return Ended(f"ended with exit code {code}")
        name = signal.Signals(-code).name
        hint = ", as when memory runs out" if -code == signal.SIGKILL else ""
        return Ended(f"ended by {name}{hint}", is_killed=-code in _KILLERS)


def _command(descriptor: int, form: str, files: Path, settings: Settings) -> list[str]:
    program = [sys.executable, "-m", "runtime.backends.in_child"]
    told = [str(settings.threads or 0), settings.weights, str(settings.memory_bytes)]
    return [*program, str(descriptor), form, str(files), *told]


def _calls(head: dict[str, Json]) -> list[tuple[str, dict[str, Json]]]:
    found = fields.mapping(head, "calls", what="frame")
    return [(name, fields.mapping(found, name, what="calls")) for name in found]


def _call(name: str, item: dict[str, Json]) -> Call:
    signature = tensors.signature(fields.mapping(item, "signature", what=name))
    names = {
        side: tuple(str(one) for one in fields.sequence(item, side, what=name))
        for side in ("inputs", "outputs")
    }
    if [len(one) for one in names.values()] != [len(signature.inputs), len(signature.outputs)]:
        raise InvalidInput(f"{name}: more or fewer names than tensors")
    method = fields.text(item, "method", what=name)
    return Call(signature, method, names["inputs"], names["outputs"], item.get("batches") is True)
