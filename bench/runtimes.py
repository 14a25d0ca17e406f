"""A runtime in a process of its own, serving one version that it pulls from a registry."""

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
_STARTING_S = 120.0


@dataclass(frozen=True, slots=True)
class Version:
    """One published version."""

    model: str
    version: int
    digest: str
    form: str


@dataclass(frozen=True, slots=True)
class Running:
    """One runtime whose version is available; `seconds` is what that took from its start."""

    port: int
    process: subprocess.Popen[bytes]
    seconds: float


@contextmanager
def running(registry: registries.Running, version: Version, *, folder: Path) -> Iterator[Running]:
    """A runtime that answers; in the same `folder` again, it finds its cache there."""
    folder.mkdir(exist_ok=True)
    port = addresses.free_port()
    config = folder / "runtime.json"
    config.write_text(json.dumps(_config(registry, version, folder=folder, port=port)))
    (folder / "token").write_text(registry.client().create_token("host", HOST))
    command = [sys.executable, "-m", "runtime", "--config", str(config)]
    start = time.perf_counter()
    with processes.running(command, log=folder / "runtime.log") as process:
        processes.await_true(
            lambda: _is_available(port),
            f"{version.model}@{version.version} available",
            timeout=_STARTING_S,
            process=process,
        )
        yield Running(port, process, time.perf_counter() - start)


def _config(
    registry: registries.Running, version: Version, *, folder: Path, port: int
) -> dict[str, object]:
    pin = {
        "model": version.model,
        "version": version.version,
        "digest": version.digest,
        "format": version.form,
        "active": True,
    }
    return {
        "listen": f"127.0.0.1:{port}",
        "cache": str(folder / "cache"),
        "registry": registry.url,
        "tokenFile": str(folder / "token"),
        "trustFile": str(registry.trust_file),
        "host": HOST,
        "models": [pin],
        "controlTokenFile": None,
    }


def _is_available(port: int) -> bool:
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5)
    except httpx2.TransportError:
        return False
    return answer.is_success
