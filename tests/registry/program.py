"""`plimsoll serve` as a process of its own, with a configuration file, as its users run it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from registry.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Program:
    """A running registry, and what it logs."""

    process: "subprocess.Popen[bytes]"
    address: str
    data: Path
    stderr: Path

    @property
    def token(self) -> str:
        """The admin's."""
        return Settings(self.data).admin_token_file.read_text().strip()

    def client(self) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx2.Client(base_url=self.address, headers=headers, timeout=60)

    def log(self) -> list[dict[str, Any]]:
        """The JSON lines so far; of the last it may have written half."""
        whole, _, _ = self.stderr.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def stop(self) -> int:
        """Ask it to stop; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        self.process.kill()


@contextmanager
def serving(data: Path, **settings: object) -> Iterator[Program]:
    """Runs until the block ends; `settings` are those of the `[registry]` table."""
    config, stderr = data.parent / "plimsoll.toml", data.parent / "stderr.log"
    table = {"listen": ["127.0.0.1:0"], "data": str(data), "webhook_hosts": ["127.0.0.1"]}
    lines = [f"{name} = {json.dumps(value)}" for name, value in (table | settings).items()]
    config.write_text("\n".join(["[registry]", *lines]))
    command = [sys.executable, "-m", "registry.cli", "serve", "--config", str(config)]
    with stderr.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stderr=output, env=dict(os.environ))
    try:
        yield Program(process, _address(process, stderr), data, stderr)
    finally:
        process.kill()
        process.wait()


def _address(process: "subprocess.Popen[bytes]", stderr: Path) -> str:
    while process.poll() is None:
        found = re.search(r"^registry +(http://\S+)\n", stderr.read_text(), re.MULTILINE)
        if found:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(stderr.read_text())
