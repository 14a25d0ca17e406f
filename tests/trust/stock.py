"""The stock `model_signing` command and its library, as their makers ship them.

Each call is a process of its own. It is forked from one that has imported the library, which takes
a second: so that is done once, not each time.
"""

import atexit
import json
import os
import subprocess
import sys
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

_COMMAND = "import sys; from model_signing._cli import main; sys.argv[0] = 'model_signing'; main()"


@dataclass(frozen=True)
class Done:
    """How it ended, and what it said on standard output and standard error."""

    returncode: int
    said: str


def command(*arguments: str | Path) -> Done:
    """`model_signing ARGUMENTS`."""
    return run(_COMMAND, *arguments)


def run(code: str, *arguments: str | Path) -> Done:
    """Python code, in a process of its own."""
    parent = _parent()
    asking, answering = parent.stdin, parent.stdout
    assert asking is not None
    assert answering is not None
    asking.write(json.dumps([code, *map(str, arguments)]) + "\n")
    asking.flush()
    return Done(*json.loads(answering.readline()))


@cache
def _parent() -> subprocess.Popen[str]:
    parent = subprocess.Popen(
        [sys.executable, "-P", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, parent)
    return parent


def _end(parent: subprocess.Popen[str]) -> None:
    with parent:
        pass


def _serve(answers: IO[str]) -> None:
    import model_signing._cli  # noqa: F401  what the children need

    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _be(writing, *json.loads(line))
        os.close(writing)
        with open(reading, encoding="utf-8") as said:  # noqa: PTH123  a descriptor
            text = said.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([code, text]), file=answers, flush=True)


def _be(output: int, code: str, *arguments: str) -> None:
    """The child: never returns."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv[1:] = arguments
    ended = 1
    try:
        exec(code, {"__name__": "__main__"})  # noqa: S102  the tests' own
        ended = 0
    except SystemExit as end:
        ended = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001  told, as by an interpreter of its own
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended)


if __name__ == "__main__":
    _serve(sys.stdout)
