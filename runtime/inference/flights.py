"""Runs in the engine's threads, and who still waits for each."""

from dataclasses import dataclass, field

from runtime.backends.stopping import Stop
from runtime.inference.waiting import Waiting


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """One run: its members, and the word to stop it."""

    members: list[Waiting]
    stop: Stop = field(default_factory=Stop)


class Flights:
    """Of one version, `count` of them. Used on the event loop."""

    def __init__(self) -> None:
        self._flights: list[Flight] = []
        self.count = 0

    def begin(self, members: list[Waiting]) -> Flight:
        """They are on their way."""
        found = Flight(members)
        self._flights.append(found)
        self.count += 1
        return found

    def land(self, flight: Flight) -> None:
        """Its engine is done."""
        self._flights.remove(flight)
        self.count -= 1

    def waiting(self) -> list[Waiting]:
        """The members of all that wait for their outcome."""
        return [one for flight in self._flights for one in flight.members if not one.is_settled]

    def give_up(self) -> None:
        """Tell those to stop of which no member waits any more."""
        for flight in self._flights:
            if all(one.is_settled for one in flight.members):
                flight.stop.tell()
