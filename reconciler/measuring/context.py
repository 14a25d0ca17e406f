"""What a measurement is about, and whom it may ask."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.config import Sources
from reconciler.engines.protocol import Endpoint
from registry.core.canonical import Json


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the two instances; `preview` is the door through which only we come."""

    instance: str
    version: int
    preview: Endpoint


@dataclass(frozen=True, slots=True)
class Site:
    """One host with the instances to be compared; `stable` is None where nothing served before."""

    host: str
    candidate: Variant
    stable: Variant | None

    def variants(self) -> Iterator[tuple[str, Variant]]:
        """Those there are, by what conditions call them."""
        yield "candidate", self.candidate
        if self.stable is not None:
            yield "stable", self.stable


@dataclass(frozen=True, slots=True)
class Context:
    """A rollout of `model` on all hosts of `sites` that can be reached.

    `args` are the analysis's, with what is given to each. `memo` is what the provider left at the
    last measurement.
    """

    model: str
    sites: tuple[Site, ...]
    args: Mapping[str, str]
    sources: Sources
    memo: Mapping[str, Json] = field(default_factory=dict)
