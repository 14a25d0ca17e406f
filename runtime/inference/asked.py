"""What a dialect asks of a version, and what it gets back: the terms between the two sides."""

from typing import NamedTuple, Protocol

from registry.errors import PlimsollError
from runtime.backends.protocol import Array, Arrays


# Tuples, as in `protocols.http`.
class Asked(NamedTuple):
    """One inference. `outputs` empty means all of them; `priority` 1 is the highest and 0 the
    version's default; without `timeout_seconds` the runtime's own deadline holds."""

    call: str
    inputs: Arrays
    outputs: tuple[str, ...] = ()
    priority: int = 0
    timeout_seconds: float | None = None


class Times(NamedTuple):
    """Where the nanoseconds went: waiting, making the engine's input, the engine, taking the
    answer apart again."""

    queue: int
    input: int
    compute: int
    output: int


class Outcome(NamedTuple):
    """The outputs by name; `batch` is how many rows went through the engine together, and 0
    where the answer came from the cache."""

    outputs: dict[str, Array]
    times: Times
    batch: int = 1


class Observer(Protocol):
    """Told how each inference of one version ended, exactly once, on the event loop."""

    def inferred(self, asked: Asked, outcome: Outcome) -> None:
        """It was answered."""

    def failed(self, asked: Asked, error: PlimsollError) -> None:
        """It was refused, given up or went wrong."""

    def abandoned(self, asked: Asked) -> None:
        """Whoever asked left before there was an answer."""
