"""A runtime as it is really run: its own process, its own configuration file, a loopback port."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.core.publication import Publication
from tests.ports import free_port
from tests.runtime.stand_in import TOKEN, StandIn

ROOT = Path(__file__).parent.parent.parent
CONTROL_TOKEN = "plm_control_test"
# Seconds for what should come at once, and on a busy machine comes when it comes.
PATIENCE = 60


def pin(published: Publication, *, active: bool = True) -> dict[str, object]:
    return {
        "model": published.model,
        "version": published.version,
        "digest": published.wanted.digest,
        "format": published.format,
        "active": active,
    }


def patient(module: str, constant: str) -> list[str]:
    """The runtime as a program, but that it waits as long as it takes where `constant` of one of
    its modules says how many seconds it would."""
    changed = f"from runtime import {module}; {module}.{constant} = 600.0"
    run = "runpy.run_module('runtime', run_name='__main__', alter_sys=True)"
    return ["-c", f"import runpy; {changed}; {run}"]


def halt(process: int) -> None:
    """Stop it and wait until all its threads stand still: one not yet reached may still answer."""
    os.kill(process, signal.SIGSTOP)
    _once(lambda: all(") T " in stat for stat in _of_threads(process, "stat")))


def kill(process: int, number: int = signal.SIGKILL) -> None:
    """Send it and wait until the process is gone: one that has it still to take may still answer.

    Of a process that its parent does not ask for meanwhile: there is something left to look at.
    """
    os.kill(process, number)
    _once(lambda: ") Z " in Path(f"/proc/{process}/stat").read_text())


def children(process: int) -> list[int]:
    """Whichever of its threads began them."""
    return [int(number) for one in _of_threads(process, "children") for number in one.split()]


def _of_threads(process: int, name: str) -> list[str]:
    found = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            found.append((thread / name).read_text())
    return found


def _once(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@dataclass
class Runtime:
    """One process and the folder it lives in; the folder survives the process."""

    folder: Path
    registry: StandIn
    models: list[dict[str, object]] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    more: dict[str, object] = field(default_factory=dict)
    host: str = "edge-1"
    port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    child: subprocess.Popen[bytes] | None = None
    program: list[str] = field(default_factory=lambda: ["-m", "runtime"])

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def grpc(self) -> str:
        """For `grpcListen`."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def config(self) -> Path:
        return self.folder / "runtime.json"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def write_config(self) -> None:
        (self.folder / "token").write_text(TOKEN + "\n")
        (self.folder / "control").write_text(CONTROL_TOKEN + "\n")
        (self.folder / "trust.json").write_bytes(self.registry.trust())
        document = {
            "listen": f"127.0.0.1:{self.port}",
            "cache": str(self.cache),
            "registry": self.registry.url,
            "tokenFile": str(self.folder / "token"),
            "trustFile": str(self.folder / "trust.json"),
            "host": self.host,
            "models": self.models,
            "controlTokenFile": str(self.folder / "control"),
            "limits": self.limits,
            **self.more,
        }
        self.config.write_text(json.dumps(document))

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, *self.program, "--config", str(self.config)],
                cwd=ROOT,
                stderr=log,
                env=os.environ | {"NO_PROXY": "127.0.0.1"},
            )
        self.until(lambda: self.get("/livez").status_code == 200)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.child is not None
        self.child.send_signal(number)
        return self.child.wait(PATIENCE)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE, **options)

    def post(self, path: str, body: object = None, **options: Any) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx2.post(url, content=content, timeout=PATIENCE, **options)

    def control(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        shown: str | None = f"Bearer {CONTROL_TOKEN}",
    ) -> httpx2.Response:
        """Process mode is asked, and `shown` the token; a body of bytes goes as it is."""
        return httpx2.request(
            method,
            f"http://127.0.0.1:{self.port}/plimsoll/models/{path}",
            content=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={} if shown is None else {"Authorization": shown},
            timeout=PATIENCE,
        )

    def status(self, version: int = 1) -> dict[str, Any]:
        models = self.get("/plimsoll/status").json()["models"]
        found: dict[str, Any] = next(item for item in models if item["version"] == version)
        return found

    def is_asked(self, model: str = "digits", version: int = 1) -> bool:
        """Whether a request is inside the version."""
        page = self.get("/metrics").text
        at = f'plimsoll_requests_in_flight{{model="{model}",version="{version}"}} '
        return any(one.startswith(at) and one != f"{at}0.0" for one in page.splitlines())

    def until(self, holds: Callable[[], bool], *, seconds: float = 90) -> None:
        """Poll; where it never comes true, the runtime's own log says why."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if holds():
                    return
            except (httpx2.TransportError, StopIteration):
                assert self.child is not None
                assert self.child.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError(f"it never held; the log:\n{self.log}")

    def until_state(self, state: str, *, version: int = 1) -> dict[str, Any]:
        self.until(lambda: self.status(version)["state"] == state)
        return self.status(version)


@contextmanager
def running(runtime: Runtime) -> Iterator[Runtime]:
    """Started for the block, and gone after it whatever happens."""
    runtime.write_config()
    runtime.start()
    try:
        yield runtime
    finally:
        assert runtime.child is not None
        runtime.child.kill()
        runtime.child.wait()


def only_child(runtime: Runtime) -> int:
    """The process of the one model that has its own."""
    assert runtime.child is not None
    (own,) = children(runtime.child.pid)
    return own


def sent(runtime: Runtime, path: str, body: object) -> socket.socket:
    """A connection on which a request is complete and no answer was read yet."""
    content = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", runtime.port), timeout=PATIENCE)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    connection.sendall(head.encode() + content)
    return connection


def answered(runtime: Runtime, path: str, body: object) -> tuple[int, object]:
    """Status and document; NaN is read as Python reads it."""
    response = runtime.post(path, body)
    return response.status_code, json.loads(response.content)


def refusal(runtime: Runtime, path: str, body: object) -> str:
    """The error text of a request that must get a 400."""
    status, document = answered(runtime, path, body)
    assert status == 400, document
    assert isinstance(document, dict)
    assert list(document) == ["error"]
    return str(document["error"])
