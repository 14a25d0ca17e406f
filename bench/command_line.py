"""How long `plimsoll` takes to say something, beside the least that its own parts take.

The least is a program of one command made with the same library, Typer, which loads rich and
pydantic to print its help. All are started by turns. What counts is the processor's time, the least
of each: a start waits for nobody, and whatever else the machine does can only add to it.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path

import typer.main

from bench.figures import Row, under
from registry.cli import program

_AREA = "command-line"
_ROUNDS = 15
_ROUNDS_OF_EACH = 5
_PROGRAM = [sys.executable, "-m", "registry.cli"]
_LEAST = """\
import typer
app = typer.Typer()
@app.command()
def one(path: str = "."):
    "Do it."
app()
"""


def rows(folder: Path) -> Generator[Row, None, None]:
    """The whole process, all modules compiled."""
    least = folder / "least.py"
    least.write_text(_LEAST)
    asked = {
        "plan": [*_PROGRAM, "plan", "--help"],
        "all": [*_PROGRAM, "--help"],
        "least": [sys.executable, str(least), "--help"],
        "nothing": [sys.executable, "-c", "pass"],
    }
    best = dict.fromkeys(asked, float("inf"))
    for turn in range(_ROUNDS + 1):
        for name, command in asked.items():
            took = _took(command)
            if turn:  # the first one compiles
                best[name] = min(best[name], took)
    beside = (
        f"a Typer program of one command: {1000 * best['least']:.0f} ms; "
        f"python -c pass: {1000 * best['nothing']:.0f} ms"
    )
    for name, said in (("plan", "plimsoll plan --help"), ("all", "plimsoll --help")):
        ratio = best[name] / best["least"]
        yield Row(_AREA, said, 1000 * best[name], "ms", beside, ratio, under(400))
    yield _slowest(best["least"], beside)


def _slowest(least: float, beside: str) -> Row:
    """Of every command and group at the top."""
    names = list(typer.main.get_command(program.overview()).commands)  # type: ignore[attr-defined]
    best = {
        name: min(_took([*_PROGRAM, name, "--help"]) for _ in range(_ROUNDS_OF_EACH))
        for name in names
    }
    name = max(names, key=best.__getitem__)
    return Row(
        _AREA,
        f"plimsoll COMMAND --help, the slowest of {len(names)}: {name}",
        1000 * best[name],
        "ms",
        beside,
        best[name] / least,
        under(400),
    )


def _took(command: list[str]) -> float:
    """Seconds of the processor, the system's for it included."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(command[0], command, dict(os.environ), file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise OSError(f"{' '.join(command)} failed")
    return used.ru_utime + used.ru_stime
