"""What a host tells the registry waits a moment: the load that it tells of is seldom over."""

import threading
from dataclasses import dataclass, field
from typing import cast

from registry.core.canonical import Json
from registry.core.entries import Kind
from runtime import events
from runtime.config import Pin
from runtime.pull import Registry

PIN = Pin("digits", 1, "sha256:" + "7" * 64, "onnx", active=True)
LONG = 60.0


@dataclass
class Recorded:
    """A registry that takes everything."""

    url: str = "http://registry"
    kinds: list[Json] = field(default_factory=list)

    def post_event(self, event: dict[str, Json]) -> None:
        self.kinds.append(event["kind"])


class Watched(threading.Event):
    """Waits for as long as it takes, and tells that it does."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waited_for = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        self.is_waited_for.set()
        return super().wait(LONG)


def test_an_event_waits_a_moment_and_a_flush_for_none() -> None:
    registry = Recorded()
    told = events.Events(cast(Registry, registry), host="edge-1")
    told._hurry = hurry = Watched()
    told.tell(Kind.VERIFIED, PIN, occasion="1")
    assert hurry.is_waited_for.wait(LONG)
    assert registry.kinds == []
    told.tell(Kind.LOADED, PIN, occasion="1")
    told.flush(seconds=LONG)
    assert registry.kinds == [Kind.VERIFIED, Kind.LOADED]
