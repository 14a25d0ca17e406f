"""A runtime in a process of its own, serving versions that it pulls from a registry."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench import addresses, processes, registries

HOST = "bench"
CONTROL = "may-swap-versions"  # what process mode's token file holds
_STARTING_S = 120.0


@dataclass(frozen=True, slots=True)
class Version:
    """One published version; `batching` is the most rows that go through its engine at once, and
    at 0 each request is run by itself."""

    model: str
    version: int
    digest: str
    form: str
    batching: int = 0

    @property
    def order(self) -> bytes:
        """What process mode is told in order to load it."""
        return json.dumps({"digest": self.digest, "format": self.form}).encode()

    @property
    def pin(self) -> dict[str, object]:
        """Its entry in the configuration."""
        found: dict[str, object] = {
            "model": self.model,
            "version": self.version,
            "digest": self.digest,
            "format": self.form,
            "active": True,
        }
        return found | ({"batching": {"maxBatchSize": self.batching}} if self.batching else {})


@dataclass(frozen=True, slots=True)
class Running:
    """One runtime whose versions are available; `seconds` is what that took from its start."""

    port: int
    process: subprocess.Popen[bytes]
    seconds: float


@contextmanager
def running(
    registry: registries.Running, *versions: Version, folder: Path, grpc: int = 0
) -> Iterator[Running]:
    """A runtime that answers; in the same `folder` again, it finds its cache there.

    It speaks gRPC at the port `grpc`, at 0 not at all."""
    folder.mkdir(exist_ok=True)
    port = addresses.free_port()
    config = folder / "runtime.json"
    told = _config(registry, versions, folder=folder, port=port)
    more = {"grpcListen": f"127.0.0.1:{grpc}"} if grpc else {}
    config.write_text(json.dumps(told | more))
    (folder / "token").write_text(registry.client().create_token("host", HOST))
    (folder / "control").write_text(CONTROL)
    command = [sys.executable, "-m", "runtime", "--config", str(config)]
    start = time.perf_counter()
    with processes.running(command, log=folder / "runtime.log") as process:
        processes.await_true(
            lambda: _is_available(port),
            f"{', '.join(f'{one.model}@{one.version}' for one in versions)} available",
            timeout=_STARTING_S,
            process=process,
        )
        yield Running(port, process, time.perf_counter() - start)


def _config(
    registry: registries.Running, versions: tuple[Version, ...], *, folder: Path, port: int
) -> dict[str, object]:
    return {
        "listen": f"127.0.0.1:{port}",
        "cache": str(folder / "cache"),
        "registry": registry.url,
        "tokenFile": str(folder / "token"),
        "trustFile": str(registry.trust_file),
        "host": HOST,
        "models": [version.pin for version in versions],
        "controlTokenFile": str(folder / "control"),
    }


def _is_available(port: int) -> bool:
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5)
    except httpx2.TransportError:
        return False
    return answer.is_success
