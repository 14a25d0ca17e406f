"""Environments for programs that ours are measured against: their pinned parts are not ours.

Each stays under .build for the next run, and nothing here imports what is in it.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from registry import errors


def made(home: Path, *packages: str, alone: Sequence[str] = ()) -> Path:
    """The environment in `home`, made where it is not there yet; `alone` come without what
    they ask for. Raises `Unavailable` where they cannot be had."""
    ready = home / ".ready"
    if not ready.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], home)
        into = ["--compile-bytecode", "--python", str(home / "bin" / "python")]
        for group in ((*packages,), ("--no-deps", *alone) if alone else ()):
            if group:
                _run([uv, "pip", "install", "--quiet", *into, *group], home)
        ready.touch()
    return home


def _run(command: Sequence[str], home: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise errors.Unavailable(
            f"{home.name}, which ours is measured against, cannot be installed: "
            f"{done.stderr.strip()[-500:]}",
            fix="make the package index reachable, or measure another area",
        )
