"""Agents for tests: a machine of its own each, beside a town's reconciler."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2

from reconciler import client, config, engines, service
from reconciler.engines.protocol import Engine
from reconciler.loop import Loop
from tests.reconciler.town import Town, await_slow_work

OWN = """\
apiVersion: plimsoll.dev/v1
kind: Host
metadata: {name: edge-2}
spec:
  engine: {address: unix:///var/run/docker.sock}
  ingress: {port: 8501}
  managedBy: agent
"""


def configured(here: Town, host: str = "edge-2", name: str = "agent") -> Path:
    """A machine of its own for the agent of `host`."""
    folder = here.folder / name
    folder.mkdir()
    wish = {"role": "agent", "name": host}
    token = here.registry.post("/v1/tokens", json=wish).json()["token"]
    (folder / "agent.token").write_text(token)
    (folder / "trust.json").write_bytes((here.folder / "registry/trust.json").read_bytes())
    (folder / "agent.toml").write_text(
        f"""
[agent]
host = "{host}"
repository = {json.dumps(here.origin.url)}
registry = {json.dumps(here.server.addresses[0])}
"""
    )
    return folder


@contextmanager
def agent(folder: Path, engine: Engine) -> Iterator[Loop]:
    """An agent on its machine with `engine`; everybody else sees what they saw before."""
    others = engines.connect

    def connect(*, host: str, state: Path, **rest: Any) -> Engine:
        is_own = state.is_relative_to(folder)
        return engine if is_own else others(host=host, state=state, **rest)

    with (
        patch.object(engines, "connect", connect),
        patch.object(client, "_TIMEOUT", httpx2.Timeout(60.0)),
        service.assembled(config.load(folder / "agent.toml")) as (loop, _),
    ):
        yield loop


def run(*loops: Loop, rounds: int = 12) -> None:
    """Rounds of each in turn, with all that each began; Git is looked at in each."""
    for _ in range(rounds):
        for loop in loops:
            loop.hint()
            loop.tick()
            await_slow_work(loop)
