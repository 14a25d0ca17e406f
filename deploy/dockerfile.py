"""What our Dockerfiles say of an image besides its files, as an image's configuration.

Of the last stage, and only the instructions that we use: another one is an error, so that an image
made from a Dockerfile by Docker and one made here cannot come to differ unseen.
"""

import json
import re
import shlex
from collections.abc import Callable, Sequence

OWNER = 10001
_UNITS = {"s": 10**9, "m": 60 * 10**9}
# They are about files: deploy/layouts.py does what they say.
_FILES = {"ARG", "COPY"}


def config(text: str, changes: Sequence[str]) -> dict[str, object]:
    """`changes` are of the base, as `docker import` takes them."""
    last = re.split(r"^FROM .*$", text, flags=re.MULTILINE)[-1]
    joined = "\n".join([*changes, re.sub(r"\\\n\s*", " ", last)])
    environment: dict[str, str] = {}
    found: dict[str, object] = {}
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        if not line.strip() or word.startswith("#") or word in _FILES:
            continue
        if word == "ENV":
            environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        else:
            found |= _said(word, rest)
    return {**found, "Env": [f"{name}={value}" for name, value in environment.items()]}


def _said(word: str, rest: str) -> dict[str, object]:
    read = _READ.get(word)
    if read is None:
        raise SystemExit(f"deploy/dockerfile.py knows no {word}: teach it before using it")
    return read(rest)


def _ports(rest: str) -> dict[str, object]:
    return {"ExposedPorts": {f"{port}/tcp": {} for port in rest.split()}}


def _health(rest: str) -> dict[str, object]:
    options, _, command = rest.partition("CMD ")
    found: dict[str, object] = {"Test": ["CMD", *json.loads(command)]}
    for name, number, unit in re.findall(r"--([a-z-]+)=(\d+)([sm])", options):
        key = "".join(part.capitalize() for part in name.split("-"))
        found[key] = int(number) * _UNITS[unit]
    return found


_READ: dict[str, Callable[[str], dict[str, object]]] = {
    "USER": lambda rest: {"User": rest},
    "WORKDIR": lambda rest: {"WorkingDir": rest},
    "STOPSIGNAL": lambda rest: {"StopSignal": rest},
    "EXPOSE": _ports,
    # As Docker does it: a command of the base is not one for this program.
    "ENTRYPOINT": lambda rest: {"Entrypoint": json.loads(rest), "Cmd": None},
    "CMD": lambda rest: {"Cmd": json.loads(rest)},
    "HEALTHCHECK": lambda rest: {"Healthcheck": _health(rest)},
}
