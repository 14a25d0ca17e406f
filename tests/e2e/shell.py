"""What a reader does with a page: its blocks pasted into one shell, one after the other."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def pasted(script: str, home: Path) -> str:
    """What the shell says, in `home`, as Ada; it and all that it started are gone afterwards."""
    person = {"NAME": "Ada", "EMAIL": "ada@example.com"}
    roles = ("AUTHOR", "COMMITTER")
    git = {f"GIT_{role}_{what}": said for what, said in person.items() for role in roles}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: said for name, said in os.environ.items() if not name.startswith("PLIMSOLL_")}
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=home,
        env=kept | git | {"PATH": path, "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            said, _ = shell.communicate(timeout=900)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, said
    return said
