"""Who asked what of a fleet, and so whose answers are in doubt once something has changed. Pure.

What an answer was made of is what its maker asked for (`inputs.Asked`), so nobody has to say it
twice: a maker that begins to look at other deployments is asked again when those change.
"""

from collections import defaultdict
from collections.abc import Hashable
from typing import TypeVar

from reconciler.core.fleet import Fleet
from reconciler.core.inputs import Asked, Changed

F = TypeVar("F", bound=Hashable)

_NOTHING = Asked()


class Askers:
    """One answer about each deployment. It stands while nothing that was asked for has changed."""

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}
        self._of_key: dict[str, set[str]] = defaultdict(set)
        self._of_host: dict[str, set[str]] = defaultdict(set)
        self._of_model: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._of_time: set[str] = set()

    def doubtful(self, fleet: Fleet, changed: Changed) -> set[str]:
        """The deployments about which the answer may be another one by now."""
        if changed.everything:
            return fleet.keys() | self._asked.keys()
        inputs = changed.inputs
        return inputs.keys.union(
            self._of_time,
            *(self._of_key.get(key, ()) for key in inputs.keys),
            *(self._of_host.get(host, ()) for host in inputs.hosts),
            *(self._of_model.get(model, ()) for model in inputs.models),
        )

    def asked(self, key: str) -> Asked:
        """What the answer about `key` was made of."""
        return self._asked.get(key, _NOTHING)

    def note(self, key: str, asked: Asked) -> None:
        """The answer about `key` was made of `asked`."""
        before, after = self.asked(key).inputs, asked.inputs
        _enter(self._of_key, key, before.keys, after.keys)
        _enter(self._of_host, key, before.hosts, after.hosts)
        _enter(self._of_model, key, before.models, after.models)
        self._of_time.discard(key)
        if asked.time:
            self._of_time.add(key)
        self._asked[key] = asked

    def forget(self, key: str) -> None:
        """There is no such deployment any more."""
        self.note(key, _NOTHING)
        del self._asked[key]


def _enter(askers: dict[F, set[str]], key: str, before: set[F], after: set[F]) -> None:
    for gone in before - after:
        askers[gone].discard(key)
        if not askers[gone]:
            del askers[gone]
    for new in after - before:
        askers[new].add(key)
