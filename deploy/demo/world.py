"""The demo's world on disk: configuration, keys, Git repository, and the running programs."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.demo.story import Broken
from reconciler import webhook

ROOT = Path(__file__).resolve().parents[2]
REGISTRY_PORT = 8440
WEBHOOK_PORT = 8441


class World:
    """Everything lives under `folder`; nothing of it is needed afterwards."""

    def __init__(self, folder: Path, *, docker: bool) -> None:
        self.folder = folder
        self.docker = docker
        self.work = folder / "work"
        self.registry_url = f"http://127.0.0.1:{REGISTRY_PORT}"
        self._secret = secrets.token_hex(16)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def create(self) -> None:
        """A clean folder with the configuration in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        gateway = _docker_gateway() if self.docker else None
        listen = [
            f"127.0.0.1:{REGISTRY_PORT}",
            *([f"{gateway}:{REGISTRY_PORT}"] if gateway else []),
        ]
        (self.folder / "webhook.secret").write_text(self._secret)
        seen_from_host = "host.docker.internal" if self.docker else "127.0.0.1"
        (self.folder / "plimsoll.toml").write_text(
            f"""\
[registry]
listen = {json.dumps(listen)}
data = "registry"
publishers = "publishers.json"
policies = {json.dumps(str(ROOT / "policies"))}

[reconciler]
repository = "{self.folder / "origin.git"}"
poll_seconds = 5
registry = "{self.registry_url}"
host_registry = "http://{seen_from_host}:{REGISTRY_PORT}"
listen = "127.0.0.1:{WEBHOOK_PORT}"
webhook_secret_file = "webhook.secret"
"""
        )

    def plimsoll(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command line as a user would, with the admin's token."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / "plimsoll"), *arguments],
            cwd=self.folder,
            env=os.environ
            | {
                "PLIMSOLL_SERVER": self.registry_url,
                "PLIMSOLL_TOKEN_FILE": str(self.folder / "registry" / "admin.token"),
                "NO_COLOR": "1",
                "COLUMNS": "160",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise Broken(f"plimsoll {arguments[0]} ended with {done.returncode}: {done.stderr}")
        return done

    def start(self, name: str, *arguments: str) -> None:
        """Run `plimsoll ...` in the background; its output goes to `name`.log."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / "plimsoll"), *arguments],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children[name] = process
        (self.folder / f"{name}.pid").write_text(str(process.pid))

    def stop(self, name: str, *, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop what `start` started, also from another process."""
        path = self.folder / f"{name}.pid"
        if not path.exists():
            return
        pid = int(path.read_text())
        path.unlink()
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        child = self._children.pop(name, None)
        if child is not None:
            child.wait(timeout=60)
        wait_for(lambda: not _is_running(pid), f"{name} to stop")

    def tail(self, name: str, lines: int = 12) -> str:
        """The end of a program's log."""
        path = self.folder / f"{name}.log"
        return "\n".join(path.read_text().splitlines()[-lines:]) if path.exists() else ""

    def git(self, *arguments: str) -> str:
        """Run Git in the working clone, as Ada."""
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.work,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Broken(f"git {arguments[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def push(self, message: str) -> str:
        """Commit everything, push it, and tell the reconciler as a forge would."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)
        self.git("push", "--quiet", "origin", "HEAD:main")
        self.ring()
        return self.git("rev-parse", "HEAD")

    def ring(self) -> None:
        """The forge's webhook: signed, and nothing more than a hint."""
        body = b'{"ref": "refs/heads/main"}'
        request = urllib.request.Request(
            f"http://127.0.0.1:{WEBHOOK_PORT}/webhook",
            data=body,
            headers={"X-Hub-Signature-256": webhook.sign(body, self._secret.encode())},
        )
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310
            return

    def get(self, path: str) -> dict[str, Any]:
        """Ask the registry's API."""
        token = (self.folder / "registry" / "admin.token").read_text().strip()
        request = urllib.request.Request(  # noqa: S310  our own registry on loopback
            self.registry_url + path, headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return dict(json.load(answer))


def wait_for(is_so: Callable[[], object], what: str, *, seconds: float = 60) -> Any:
    """What `is_so` returns once it is true; an error from a program that is not up yet, or that was
    ended in the middle of its answer, means not yet."""
    end = time.monotonic() + seconds
    last = ""
    while time.monotonic() < end:
        try:
            if found := is_so():
                return found
        except (OSError, http.client.HTTPException) as error:
            last = f" (last: {error})"
        time.sleep(0.05)
    raise Broken(f"waited {seconds:.0f} s for {what}{last}")


def is_free(port: int) -> bool:
    """Whether nobody listens on `port` of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][:1] != "Z"


def _docker_gateway() -> str | None:
    """The address under which containers reach this machine, where it has that address."""
    done = subprocess.run(
        ["docker", "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "172.17.0.1" if done.returncode == 0 else None
