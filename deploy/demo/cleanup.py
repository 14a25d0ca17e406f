"""Takes down what a demo left: programs, containers, volumes, files."""

import re
import shutil
import subprocess
from pathlib import Path

from deploy.demo.world import World, wait_for

_HOSTS = ("edge-1", "edge-2")


def remove(folder: Path, *, keep_logs: bool = False) -> None:
    """Leave the machine as it was before; with `keep_logs` the folder stays."""
    if not folder.exists():
        return
    world = World(folder, docker=True)
    for program in ("reconciler", "registry"):
        world.stop(program)
    pattern = re.escape(str(folder)) + ".*runtime"
    subprocess.run(["pkill", "-f", pattern], check=False)
    # Whoever comes next wants its port.
    wait_for(lambda: not _runs(pattern), "the runtime to end")
    for host in _HOSTS:
        _remove_containers(host)
    if not keep_logs:
        shutil.rmtree(folder, ignore_errors=True)


def _runs(pattern: str) -> bool:
    """Whether a process has this in its command line; the dead that nobody reaped have none."""
    return (
        subprocess.run(["pgrep", "-f", pattern], check=False, capture_output=True).returncode == 0
    )


def _remove_containers(host: str) -> None:
    """What carries the host's label, then the volumes that are named after it."""
    try:
        listed = subprocess.run(
            ["docker", "ps", "-aq", "-f", f"label=dev.plimsoll.host={host}"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split()
    except FileNotFoundError:
        return
    volumes = [f"plimsoll-{kind}-{host}" for kind in ("cache", "ingress")]
    for command, names in ((["rm", "-f", "-v"], listed), (["volume", "rm", "-f"], volumes)):
        if names:
            subprocess.run(["docker", *command, *names], check=False, capture_output=True)
