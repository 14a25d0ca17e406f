"""Clients of other servers, as published, in an environment of their own: `make clients`.

Their pinned parts are not ours, and nothing in our processes imports them.
"""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent.parent
HOME = ROOT / ".build" / "clients"


@cache
def python() -> Path:
    """The interpreter that has them."""
    if not (HOME / ".ready").exists():
        subprocess.run(["make", "--silent", "clients"], cwd=ROOT, check=True)
    return HOME / "bin" / "python"


def seen(script: str, *arguments: str) -> Any:
    """What a script beside this file prints."""
    done = subprocess.run(
        [python(), Path(__file__).with_name(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
