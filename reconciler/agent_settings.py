"""In what the `[agent]` table differs from `[reconciler]`: one host, on which the agent runs."""

from dataclasses import dataclass

from registry.core import names, table

# Where several hosts or reconcilers are meant.
_OF_FLEETS = ("name", "lease_seconds", "credentials", "checkpoint_branch")
_DEFAULTS = {"state": "agent", "token_file": "agent.token", "trust_file": "trust.json"}


@dataclass(frozen=True, slots=True)
class Agent:
    """A reconciler for `host` alone, on which it runs. After so many hours without registry or
    Git it says that this is too long; 0: never."""

    host: str
    offline_hours: float


def take(settings: table.Table) -> Agent:
    """What is an agent's own in `settings`; the rest is left to be taken as a reconciler's."""
    for name in _OF_FLEETS:
        if settings.has(name):
            raise settings.error(name, "is not for an agent: it has one host, its own")
    agent = Agent(settings.take("host", str), settings.take("offline_hours", float, 72.0))
    if not names.is_slug(agent.host):
        raise settings.error("host", f"is {agent.host!r}, and no host is called so")
    if agent.offline_hours < 0:
        raise settings.error("offline_hours", "must not be below zero")
    for name, value in _DEFAULTS.items():
        settings.default(name, value)
    return agent
