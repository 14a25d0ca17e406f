"""Inspects in a container of a Docker Engine on this machine: another wall around the same child.

The container has no network, no capability, nothing that it can write to but memory, and limits
on memory, processes and time; in it the child shuts itself in as it does without one. The model
goes in through standard input, so the engine needs to see none of the registry's files. One
container an inspection, removed whatever happens; what a killed registry leaves goes with the
next start, by its label.
"""

import contextlib
import io
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import docker
import requests
from docker.types import LogConfig
from docker.utils import socket as frames

from registry import errors
from registry.formats import confine, contained
from registry.formats.sandbox import Bounds, Ended, Failed, Outcome, Stopped

_VERSION = "1.41"
_LABEL = "dev.plimsoll.inspection"
_NOBODY = f"{confine.NOBODY}:{confine.NOBODY}"
_TMP = {"/tmp": "rw,noexec,nosuid,nodev,size=16m"}  # noqa: S108  the container's own
_SLACK_BYTES = 256 << 20
_STARTING_S = 30
_ENDED_BY_LIMIT = frozenset({128 + signal.SIGKILL, 128 + signal.SIGXCPU})
_BLOCK = 1 << 20


class Containers:
    """`address` is a Docker Engine's socket, `image` one with this registry's own code.

    `owner` tells the containers of this registry from those of others on the same engine.
    """

    def __init__(self, address: str, image: str, job: str, *, owner: str) -> None:
        if not address.startswith("unix://"):
            raise errors.InvalidConfig(
                f"inspection_engine = {address!r} is not a Docker Engine on this machine",
                fix="write it like unix:///run/docker.sock",
            )
        self._address, self._image, self._job, self._owner = address, image, job, owner
        self._tidy()

    def run(self, request: bytes, *, files: Sequence[int], bounds: Bounds) -> Outcome:
        """As `sandbox.Sandbox.run`; raises Unavailable where the engine or image is away."""
        with self._speaking() as api:
            made = api.create_container(
                self._image,
                ["-m", contained.__name__, self._job],
                entrypoint=["python3"],
                user=_NOBODY,
                stdin_open=True,
                network_disabled=True,
                labels={_LABEL: self._owner},
                host_config=self._walls(api, bounds, sum(os.fstat(one).st_size for one in files)),
            )
            try:
                return self._ran(api, made["Id"], _sent(request, files, bounds), bounds)
            finally:
                api.remove_container(made["Id"], force=True, v=True)

    def close(self) -> None:
        self._tidy()

    def _ran(
        self, api: docker.APIClient, container: str, sent: Iterator[bytes], bounds: Bounds
    ) -> Outcome:
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            # By a connection of its own: the other one waits for the container.
            with contextlib.suppress(errors.Unavailable), self._speaking() as another:
                another.kill(container)

        deadline = threading.Timer(bounds.wall_seconds, end)
        with _attached(api, container) as stream:
            api.start(container)
            deadline.start()
            try:
                answer, words = _exchanged(stream, sent)
                status = api.wait(container, timeout=_STARTING_S)["StatusCode"]
            finally:
                deadline.cancel()
                deadline.join()
        if is_late.is_set():
            return Stopped(f"took longer than {bounds.wall_seconds:g} s")
        return _outcome(status, answer, words)

    def _walls(self, api: docker.APIClient, bounds: Bounds, held_bytes: int) -> Any:
        memory = bounds.memory_bytes + held_bytes + _SLACK_BYTES
        return api.create_host_config(
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=64,
            mem_limit=memory,
            memswap_limit=memory,
            tmpfs=_TMP,
            log_config=LogConfig(type="none"),
        )

    def _tidy(self) -> None:
        with self._speaking() as api:
            for left in api.containers(all=True, filters={"label": f"{_LABEL}={self._owner}"}):
                with contextlib.suppress(docker.errors.NotFound):
                    api.remove_container(left["Id"], force=True, v=True)

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[docker.APIClient]:
        try:
            # The SDK leaves a socket open where nobody answers.
            with socket.socket(socket.AF_UNIX) as knocking:
                knocking.connect(self._address.removeprefix("unix://"))
            api = docker.APIClient(self._address, version=_VERSION, timeout=_STARTING_S)
            api.trust_env = False
            with contextlib.closing(api):
                yield api
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise errors.Unavailable(
                f"models cannot be inspected: the engine at {self._address} says: {error}",
                fix=f"start it, and give it the image {self._image} (`make images`); or take "
                "inspection_engine out of the configuration",
            ) from error


def _sent(request: bytes, files: Sequence[int], bounds: Bounds) -> Iterator[bytes]:
    yield contained.HEADER.pack(bounds.memory_bytes, bounds.cpu_seconds, len(files))
    yield contained.LENGTH.pack(len(request)) + request
    for file in files:
        size = os.fstat(file).st_size
        yield contained.LENGTH.pack(size)
        for start in range(0, size, _BLOCK):
            yield os.pread(file, min(_BLOCK, size - start), start)


def _outcome(status: int, answer: bytes, words: str) -> Outcome:
    if status == 0:
        return Ended(answer)
    if status in _ENDED_BY_LIMIT:
        return Stopped("used up its processor time or memory")
    return Failed(f"failed with status {status}: {words.strip().rpartition(chr(10))[2][:300]}")


@contextlib.contextmanager
def _attached(api: docker.APIClient, container: str) -> Iterator[Any]:
    """Its standard input, output and error; the SDK leaves the closing of what is below to us."""
    wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    stream: Any = api.attach_socket(container, params=wanted)
    with contextlib.closing(stream._sock), contextlib.closing(stream):  # noqa: SLF001
        yield stream


def _exchanged(attached: Any, sent: Iterator[bytes]) -> tuple[bytes, str]:
    """All that goes in; then what comes out on standard output and error, up to a limit."""
    out: socket.socket = attached._sock  # noqa: SLF001  the SDK gives no other way to write
    out.settimeout(None)
    # A child that ended early takes no more; why it ended is in what it said.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for block in sent:
            out.sendall(block)
    streams = {1: io.BytesIO(), 2: io.BytesIO()}
    said: Iterator[tuple[int, bytes]] = frames.frames_iter(attached, tty=False)  # type: ignore[no-untyped-call]
    for number, piece in said:
        if streams[number].tell() < confine.MAX_ANSWER:
            streams[number].write(piece)
    return streams[1].getvalue(), streams[2].getvalue().decode(errors="replace")
