"""A registry as a process of its own, so that it can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from registry.api.server import Server
from registry.settings import Limits, Running, Settings

ROOT = Path(__file__).parents[2]


@contextmanager
def running(
    data_dir: Path, *, database_url: str = "", storage: str = ""
) -> Iterator[tuple[httpx2.Client, subprocess.Popen[str]]]:
    """An admin's client and the process; whatever is left of it is killed at the end."""
    places = [str(data_dir), database_url, storage]
    command = [sys.executable, "-m", "tests.registry.serving", *places]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout
        address = next(line for line in process.stdout if line.startswith("http")).strip()
        token = Settings(data_dir).admin_token_file.read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        transport = httpx2.HTTPTransport(retries=5)
        # An answer may wait for a version's checks, and those for a busy machine.
        with httpx2.Client(
            base_url=address, headers=headers, transport=transport, timeout=60
        ) as client:
            yield client, process
    finally:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """As a power cut would, without a word."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


if __name__ == "__main__":
    # What a killed process was checking is taken up again within a second.
    limits = Limits(registration_lease=1.0)
    data, database, storage = sys.argv[1:]
    settings = Settings(
        Path(data),
        listen=("127.0.0.1:0",),
        database_url=database,
        storage=storage,
        limits=limits,
        # Whoever is slow is not cut off.
        running=Running(grace_seconds=60),
    )
    server = Server(settings)
    print(server.addresses[0], flush=True)
    server.run()
