"""Hands labels to every instance that an analysis asked to remember its answers.

Who posts a label need not know which host or version answered: each instance takes what it knows.
Doors are in memory: after a restart they are known again with the next measurement.
"""

import threading
import time
from collections.abc import Callable, Iterable

from reconciler.measuring import pages
from reconciler.measuring.context import Variant
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

_WHAT = "body"
_PATH = "/plimsoll/labels"
# As long as an instance may be asked to remember.
_KEPT_S = 7 * 86_400.0


class Doors:
    """The instances that remember answers, by model; used by several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, int], tuple[float, Variant]] = {}

    def remember(self, model: str, variants: Iterable[Variant], seconds: float) -> None:
        """For so long from now, and no longer than an instance may remember."""
        until = self._clock() + min(seconds, _KEPT_S)
        with self._lock:
            for one in variants:
                self._known[model, one.preview.url + one.instance, one.version] = until, one
            now = self._clock()
            self._known = {key: told for key, told in self._known.items() if told[0] >= now}

    def of(self, model: str) -> list[Variant]:
        """Those that still remember what `model` answered."""
        now = self._clock()
        with self._lock:
            known = list(self._known.items())
        return [one for (name, _, _), (until, one) in known if name == model and until >= now]


def post(doors: Doors, data: bytes) -> dict[str, Json]:
    """What came of the labels in `data`, by all instances together; the body and the answer are
    those of one instance. Raises `InvalidInput`, `NotFound` and `Unavailable`: then some may have
    taken them, and to post the same again counts none twice."""
    body = canonical.decode_object(data, what=_WHAT)
    model = fields.text(body, "model", what=_WHAT)
    for label in fields.objects(body, "labels", what=_WHAT):
        fields.text(label, "id", what=_WHAT)
    # One process may run several versions: it takes labels for all of them at once.
    variants = {(one.preview.url, *sorted(one.preview.headers.items())): one
                for one in doors.of(model)}  # fmt: skip
    if not variants:
        raise errors.NotFound(
            f"no analysis or experiment under way asks for labels of {model[:128]!r}",
            fix="post them while a rollout or an experiment is measured by labels",
        )
    said = dict[str, dict[str, Json]]()
    for one in variants.values():
        found = pages.posted(one, _PATH, body)
        try:
            _join(said, fields.objects(found, "labels", what=_PATH))
        except errors.InvalidInput as error:
            raise errors.Unavailable(f"{one.instance}: {error.detail}") from error
    return {"labels": [{"id": name, "versions": versions} for name, versions in said.items()]}


def _join(said: dict[str, dict[str, Json]], labels: list[dict[str, Json]]) -> None:
    for label in labels:
        versions = said.setdefault(fields.text(label, "id", what=_PATH), {})
        versions.update(fields.mapping(label, "versions", what=_PATH))
