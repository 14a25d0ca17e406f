"""What travels between the registry and reconcilers that share their work."""

from typing import Annotated, Any

from pydantic import Field

from registry.api.wire import Document

Holder = Annotated[str, Field(min_length=1, max_length=128)]


class WantedLeases(Document):
    """`hosts` is all that the holder wants: it lets go of what it had beside them."""

    holder: Holder
    hosts: Annotated[list[str], Field(max_length=10_000)]
    seconds: Annotated[int, Field(ge=2, le=300)]


class Leases(Document):
    """`held` gives the epoch by host, `refused` the holder by host."""

    held: dict[str, int]
    refused: dict[str, str]
    reconcilers: list[str]


class NewRelease(Document):
    holder: Holder


class RememberedRollouts(Document):
    """By deployment: `hosts`, each in the form that its reconciler gave it, and `fleet`."""

    rollouts: dict[str, Any]


class FleetChange(Document):
    """Of a deployment as a whole, by whoever has all of its `targets`; null forgets it."""

    document: dict[str, Any] | None
    targets: Annotated[list[str], Field(max_length=10_000)]


class RolloutChange(Document):
    """By host, where null forgets; `fleet` left out stays as it is."""

    hosts: Annotated[dict[str, dict[str, Any] | None], Field(max_length=10_000)]
    fleet: FleetChange | None = None


class ChangedRollouts(Document):
    """By deployment."""

    holder: Holder
    rollouts: Annotated[dict[str, RolloutChange], Field(max_length=1000)]
