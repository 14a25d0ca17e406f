"""Docker's list entries to instances, as real engines write them."""

from typing import Any

import pytest

from reconciler.core.observed import Health, Phase
from reconciler.engines import commands, listing
from tests.engines.test_commands import SPEC


def _entry(state: str, status: str) -> dict[str, Any]:
    labels = commands.runtime_container(SPEC, start_interval=False)["Labels"]
    return {
        "Names": ["/ingress/link", f"/{SPEC.name}"],
        "State": state,
        "Status": status,
        "Labels": labels,
    }


@pytest.mark.parametrize(
    ("state", "status", "phase", "health", "exit_code"),
    [
        ("created", "Created", Phase.CREATED, Health.NONE, None),
        ("running", "Up Less than a second", Phase.RUNNING, Health.NONE, None),
        ("running", "Up 2 seconds (health: starting)", Phase.RUNNING, Health.STARTING, None),
        ("running", "Up 3 weeks (healthy)", Phase.RUNNING, Health.HEALTHY, None),
        ("running", "Up 5 minutes (unhealthy)", Phase.RUNNING, Health.UNHEALTHY, None),
        ("paused", "Up 5 minutes (Paused)", Phase.RUNNING, Health.UNHEALTHY, None),
        ("restarting", "Restarting (1) 4 s ago", Phase.RUNNING, Health.UNHEALTHY, None),
        ("exited", "Exited (137) 4 seconds ago", Phase.EXITED, Health.NONE, 137),
        ("exited", "Exited (0) About a minute ago", Phase.EXITED, Health.NONE, 0),
        ("dead", "Dead", Phase.EXITED, Health.NONE, None),
    ],
)
def test_an_entry_tells_phase_health_and_exit_code(
    state: str, status: str, phase: Phase, health: Health, exit_code: int | None
) -> None:
    found = listing.instance(_entry(state, status))
    assert (found.phase, found.health, found.exit_code) == (phase, health, exit_code)


def test_an_entry_tells_what_was_asked_for() -> None:
    found = listing.instance(_entry("running", "Up 1 second"))
    assert found.name == SPEC.name
    assert found.spec_hash == SPEC.spec_hash
    assert (found.model, found.version, found.digest) == (SPEC.model, SPEC.version, SPEC.digest)
