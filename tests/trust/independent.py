"""aics-tlog: a reader of C2SP logs that shares no code with us, outside our environment.

It asks for a newer Python than ours and runs on it all the same, so it is installed into a
folder of its own: by `make test-setup`, or here at the first use.
"""

import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".build" / "verifiers"


@cache
def aics_tlog() -> Any:
    """The package."""
    if not (FOLDER / "aics_tlog").exists():
        subprocess.run(["make", "--silent", "verifiers"], cwd=ROOT, check=True)
    sys.path.append(str(FOLDER))
    return importlib.import_module("aics_tlog")
