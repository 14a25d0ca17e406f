"""An identity provider as others made it, in a process of its own: `make provider`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
# Beside our environment, not in it: it brings a package that is called like our tests.
HOME = ROOT / ".build" / "provider"
CLIENT, PASSWORD = "plimsoll-pages", "correct horse battery staple"


@dataclass(frozen=True)
class Canaille:
    """`secret` is that of the client; each person is in the group that the same word names."""

    url: str
    secret: str


@contextmanager
def running(callback: str, people: dict[str, str]) -> Iterator[Canaille]:
    """People with their groups; they sign in for a client that `callback` is of."""
    assert HOME.is_dir(), "Canaille is not installed (make provider)"
    program = Path(__file__).with_name("program.py")
    secret = "s:ecret with signs+%"
    asked = {
        "callback": callback, "people": people, "client": CLIENT, "secret": secret,
        "password": PASSWORD,
    }  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(HOME), "AUTHLIB_INSECURE_TRANSPORT": "true"}
    with subprocess.Popen(
        [sys.executable, str(program), json.dumps(asked)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http://"), "Canaille did not start"
            yield Canaille(url, secret)
        finally:
            process.terminate()
