"""What people ask of deployments on the registry's pages: taken, left as a wish, and answered.

A request becomes the wish that the reconciler's command of that name would leave, under the
request's own id, so it counts once, and the branch that Git is told by follows from what is asked:
whatever is killed in between, the next look goes on with the same wish, and there is one pull
request. A reconciler takes what is about deployments that it knows.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from reconciler import client, config, wishes
from reconciler.core import goods
from reconciler.core.granting import OF_A_ROLLOUT
from reconciler.core.reasons import Why
from reconciler.core.rollout import NO_ROLLOUT, Quarantined, Rollout, Rollouts
from reconciler.core.strategies.progress import Verb, Wish
from registry import errors
from registry.core import fields
from registry.core.canonical import Json
from registry.core.envelope import Wanted

FOLDER = "requests"
_EVERY_S = 3.0
# Git may be away: then people are told so, and the loop goes on trying.
_GIT_PATIENCE_S = 60.0
_WHAT = "request"
_ID = re.compile(r"[0-9a-f]{32}")
_ADDRESS = re.compile(r"https?://\S+")
_SOON = "the reconciler goes by it at its next look"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the registry tells of it; `by` is who asks, as the log calls them."""

    id: str
    deployment: str
    verb: Verb
    version: int | None
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Met:
    """How it ended; `address` is a pull request's, or empty."""

    outcome: str
    text: str
    address: str = ""


@contextmanager
def pursued(
    settings: config.Config, rollouts: Callable[[], Rollouts], wake: Callable[[], None]
) -> Iterator[None]:
    """Look for requests now and then, beside the loop; an agent does not, nor who is set not to."""
    if settings.agent is not None or not settings.requests:
        yield
        return
    stop = threading.Event()
    with closing(
        client.Registry(settings.registry, settings.token_file, settings.registry_ca)
    ) as registry:
        found = Requests(registry, settings, rollouts, wake)

        def run() -> None:
            while not stop.wait(_EVERY_S):
                found.round()

        thread = threading.Thread(target=run, name="requests", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=15)


class Requests:
    """One per reconciler. `rollouts` is its memory, `wake` has it look at once."""

    def __init__(
        self,
        registry: client.Registry,
        settings: config.Config,
        rollouts: Callable[[], Rollouts],
        wake: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._state = settings.state
        self._has_forge = settings.forge is not None
        self._holder = settings.name or ""
        self._rollouts = rollouts
        self._wake = wake
        self._clock = clock
        self._since: dict[str, float] = {}

    def round(self) -> None:
        """Go on with every open request as far as it goes now; raises nothing."""
        try:
            listed = self._registry.document("/v1/requests")
            found = [_asked(one) for one in fields.objects(listed, "requests", what=_WHAT)]
        except (errors.PlimsollError, OSError) as error:
            log.debug("no requests were heard of", error=str(error))
            return
        self._forget({one.id for one in found if one is not None})
        for one in found:
            if one is None:
                continue
            try:
                self._pursue(one)
            except (errors.PlimsollError, OSError) as error:
                log.warning("a request was not gone on with", request=one.id, error=str(error))

    def _pursue(self, asked: Asked) -> None:
        if asked.deployment not in self._rollouts():
            return
        with suppress(errors.Conflict):  # it is another's, or over
            self._registry.post(f"/v1/requests/{asked.id}/take", {"holder": self._holder})
            met = self._met(asked)
            if met is not None:
                self._answer(asked, met)

    def _met(self, asked: Asked) -> Met | None:
        """None while there is no end. First the file, which goes once memory has the wish."""
        waiting = wishes.waiting(self._state, asked.deployment)
        known = self._rollouts().get(asked.deployment, NO_ROLLOUT)
        if asked.id in {one.id for one in (waiting, known.wish) if one is not None}:
            return None
        if known.answer is not None and known.answer.wish == asked.id:
            return self._told(asked, known, known.answer.text, refused=known.answer.refused)
        if known.granted == asked.id:
            return Met("done", _SOON)
        if self._mark(asked.id).exists():
            return Met("refused", "changes nothing: it was over, or another wish came first")
        return self._leave(asked, known)

    def _leave(self, asked: Asked, known: Rollout) -> Met | None:
        """As its command would; marked afterwards, so that a crash repeats it under one id."""
        try:
            if asked.verb in OF_A_ROLLOUT:
                wishes.require_possible(asked.deployment, asked.verb, known)
            wish = Wish(
                asked.id,
                asked.verb,
                asked.reason,
                asked.by,
                asked.version,
                self._digest(asked, known),
            )
        except errors.Unavailable:
            raise
        except errors.PlimsollError as error:
            return Met("refused", error.detail)
        wishes.put(self._state, asked.deployment, wish)
        self._mark(asked.id).parent.mkdir(mode=0o700, exist_ok=True)
        self._mark(asked.id).touch(mode=0o600)
        self._wake()
        return None

    def _digest(self, asked: Asked, known: Rollout) -> str:
        """Of the version that Git is to ask for, as the registry has it."""
        if asked.verb is not Verb.PROPOSE or asked.version is None:
            return ""
        specs = [one for facts in known.hosts.values() for one in goods.of(facts)]
        if not specs:
            raise errors.NotFound(f"nothing was ever good as {asked.deployment}")
        document = self._registry.version(Wanted(specs[0].model, asked.version, ""))
        return goods.in_format(document, specs[0].format)

    def _told(self, asked: Asked, known: Rollout, text: str, *, refused: bool) -> Met | None:
        """With the pull request, where there is to be one: it comes a little later."""
        if refused:
            return Met("refused", text)
        if asked.verb is not Verb.ROLLBACK:
            address = _ADDRESS.search(text) if asked.verb is Verb.PROPOSE else None
            return Met("done", text, address[0] if address else "")
        entry = _quarantined(asked, known)
        if entry is not None and entry.request is not None:
            return Met("done", text, entry.request.url)
        if entry is not None and entry.reverted and not self._has_forge:
            return Met("done", f"{text}; branch {entry.reverted}")
        since = self._since.setdefault(asked.id, self._clock())
        if entry is not None and self._clock() < since + _GIT_PATIENCE_S:
            return None
        return Met("done", f"{text}; no pull request yet, see the events of the deployment")

    def _answer(self, asked: Asked, met: Met) -> None:
        said: dict[str, Json] = {
            "holder": self._holder,
            "outcome": met.outcome,
            "text": met.text[:2000],
            "address": met.address,
        }
        self._registry.post(f"/v1/requests/{asked.id}/answer", said)
        log.info("a request was answered", request=asked.id, outcome=met.outcome, text=met.text)

    def _mark(self, request: str) -> Path:
        return self._state / FOLDER / request

    def _forget(self, still: set[str]) -> None:
        """What is no longer open was answered."""
        for mark in (self._state / FOLDER).glob("*"):
            if mark.name not in still:
                mark.unlink(missing_ok=True)
        for gone in self._since.keys() - still:
            del self._since[gone]


def _quarantined(asked: Asked, known: Rollout) -> Quarantined | None:
    """What the rollback left behind: the newest that this person's was."""
    found = [
        entry
        for entry in known.quarantined
        if entry.code == Why.ROLLED_BACK_BY_HAND and entry.by == asked.by
    ]
    return found[-1] if found else None


def _asked(document: dict[str, Json]) -> Asked | None:
    """None for what a newer registry may ask, and this reconciler cannot do."""
    verb, request = (fields.text(document, name, what=_WHAT) for name in ("verb", "id"))
    if verb not in set(Verb) or not _ID.fullmatch(request):
        return None
    version = document.get("version")
    return Asked(
        id=request,
        deployment=fields.text(document, "deployment", what=_WHAT),
        verb=Verb(verb),
        version=version if isinstance(version, int) else None,
        reason=fields.text(document, "reason", what=_WHAT),
        by=fields.text(document, "by", what=_WHAT),
    )
