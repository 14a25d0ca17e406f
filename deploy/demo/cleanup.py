"""Takes down what a demo left: programs, containers, volumes, files."""

import re
import shutil
import subprocess
from pathlib import Path

from deploy.demo.world import World

_HOSTS = ("edge-1", "edge-2")


def remove(folder: Path, *, keep_logs: bool = False) -> None:
    """Leave the machine as it was before; with `keep_logs` the folder stays."""
    if not folder.exists():
        return
    world = World(folder, docker=True)
    for program in ("reconciler", "registry"):
        world.stop(program)
    subprocess.run(["pkill", "-f", re.escape(str(folder)) + ".*runtime"], check=False)
    for host in _HOSTS:
        _remove_containers(host)
    if not keep_logs:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_containers(host: str) -> None:
    label = f"label=dev.plimsoll.host={host}"
    for list_them, remove_them in (
        (["docker", "ps", "-aq", "-f", label], ["docker", "rm", "-f", "-v"]),
        (["docker", "volume", "ls", "-q", "-f", label], ["docker", "volume", "rm", "-f"]),
    ):
        try:
            listed = subprocess.run(list_them, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return
        if listed.stdout.split():
            command = [*remove_them, *listed.stdout.split()]
            subprocess.run(command, check=False, capture_output=True)
