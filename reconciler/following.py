"""Asks the registry what the deployments of a commit follow: where aliases point, what ranges hold.

Beside the loop, which goes by what was heard last. While the log has not grown nothing can have
moved, and nothing is asked anew. All of it is the registry's word: what a version is, and where
the log has the move of an alias, is verified when Git is about to be told.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import structlog

from reconciler import client
from reconciler.core import desired, kinds, pinning
from reconciler.core.following import ranges
from reconciler.core.following.target import Candidate, Found, Missing, Resolved
from registry import errors
from registry.core import fields
from registry.core.canonical import Json
from registry.core.envelope import Wanted

_EVERY_S = 10.0
# What a newer version than these is to be had for needs no older one.
_MOST = 20
_READY = "ready"
_WHAT = "answer about what is followed"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Question:
    """The same for all deployments that follow the same."""

    model: str
    format: str
    alias: str | None
    range: str | None


class Follower:
    """One per reconciler; used by its loop."""

    def __init__(
        self,
        registry: client.Registry,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._wake: Callable[[], object] | None = None
        self._clock = clock
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="following")
        self._asking: Future[None] | None = None
        self._asked_at: float | None = None
        self._head = ""
        self._lock = threading.Lock()
        self._answers: dict[_Question, Resolved] = {}
        self._deployments: Mapping[str, desired.Deployment] = {}
        self._questions: dict[str, _Question] = {}
        self._followed: Mapping[str, Resolved] = {}

    def watch(self, wake: Callable[[], object]) -> None:
        """Have `wake` called whenever something new was heard, from now on."""
        self._wake = wake

    def applied(self, state: desired.DesiredState) -> desired.DesiredState:
        """`state` with what was heard last; asks anew, beside it, where that is due."""
        if state.deployments is not self._deployments:
            self._deployments, self._questions = state.deployments, _questions(state)
        if not self._questions:
            return state
        self._ask()
        with self._lock:
            found = {
                key: self._answers[one]
                for key, one in self._questions.items()
                if one in self._answers
            }
        if found != self._followed:
            self._followed = found
        return replace(state, followed=self._followed)

    def busy(self) -> bool:
        """Whether it is asking just now."""
        return self._asking is not None and not self._asking.done()

    def close(self) -> None:
        """Ask no more; what is under way ends by itself."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _ask(self) -> None:
        if self._asking is not None and not self._asking.done():
            return
        if self._asking is not None:
            self._asking.result()  # a defect shows here, not never
        wanted, now = set(self._questions.values()), self._clock()
        with self._lock:
            is_new = not wanted <= self._answers.keys()
        if self._asked_at is None or is_new or now >= self._asked_at + _EVERY_S:
            self._asked_at = now
            self._asking = self._worker.submit(self._listen, wanted)

    def _listen(self, wanted: set[_Question]) -> None:
        """While the registry is silent, what was heard before stands."""
        with self._lock:
            before = dict(self._answers)
        found, head = dict(before), ""
        try:
            head = _head(self._registry.checkpoint())
            for one in wanted:
                if head != self._head or one not in before:
                    found[one] = _said(self._registry, one)
        except errors.PlimsollError as error:
            log.info("what is followed is not known anew", error=error.detail)
            head = ""
            found |= {one: Missing(error.detail) for one in wanted if one not in found}
        kept = {one: found[one] for one in wanted}
        with self._lock:
            self._answers, self._head = kept, head
        if kept != before and self._wake is not None:
            self._wake()


def applied_once(registry: client.Registry, state: desired.DesiredState) -> desired.DesiredState:
    """`state` with what the registry says now; for a dry run."""
    asked = _questions(state)
    answers = {one: _answer(registry, one) for one in set(asked.values())}
    followed = {key: answers[one] for key, one in asked.items()}
    return replace(state, followed=followed) if followed else state


def _answer(registry: client.Registry, one: _Question) -> Resolved:
    try:
        return _said(registry, one)
    except errors.PlimsollError as error:
        return Missing(error.detail)


def _said(registry: client.Registry, one: _Question) -> Resolved:
    """Raises `Unavailable` and the like."""
    try:
        if one.alias is not None:
            return _alias(registry, one, one.alias)
        return _range(registry, one, one.range or "")
    except errors.NotFound as error:
        return Missing(error.detail)


def _alias(registry: client.Registry, one: _Question, alias: str) -> Resolved:
    found = registry.document(f"/v1/models/{one.model}/aliases/{alias}?maxResults=1")
    version = fields.integer(found, "version", what=_WHAT)
    moves = fields.objects(found, "history", what=_WHAT)
    moved = fields.integer(moves[0], "logIndex", what=_WHAT) if moves else 0
    document = registry.version(Wanted(one.model, version, ""))
    candidate = _candidate(document, one)
    if candidate is None:
        status = fields.text(document, "status", what=_WHAT)
        how = f"not there as {one.format}" if status == _READY else status
        return Missing(f"version {version} of {one.model} is {how}")
    return Found((candidate,), moved)


def _range(registry: client.Registry, one: _Question, text: str) -> Resolved:
    within = ranges.parse(text)
    asked = f"version >= {within.low} AND version <= {within.high} AND status = '{_READY}'"
    most = _MOST + len(within.without)
    query = urlencode({"filter": asked, "maxResults": most})
    found = registry.document(f"/v1/models/{one.model}/versions?{query}")
    listed = [_candidate(each, one) for each in fields.objects(found, "versions", what=_WHAT)]
    there = [each for each in listed if each is not None and within.has(each.version)]
    if not there:
        return Missing(f"no version of {one.model} that is {_READY} as {one.format} is in it")
    return Found(tuple(sorted(there, key=lambda each: -each.version)))


def _questions(state: desired.DesiredState) -> dict[str, _Question]:
    asked = {}
    for key, deployment in state.deployments.items():
        manifest = pinning.of_git(deployment).manifest
        rule = manifest.spec.model.follow
        if rule is not None:
            asked[key] = _question(manifest, rule.alias, rule.range_)
    return asked


def _question(manifest: kinds.ModelDeployment, alias: str | None, within: str | None) -> _Question:
    return _Question(manifest.spec.model.name, manifest.spec.runtime.format, alias, within)


def _candidate(document: dict[str, Json], one: _Question) -> Candidate | None:
    """Of a version that is ready, its first variant in the format."""
    if document.get("status") != _READY:
        return None
    for variant in fields.objects(document, "variants", what=_WHAT):
        if variant.get("format") == one.format:
            version = fields.integer(document, "version", what=_WHAT)
            return Candidate(version, fields.text(variant, "digest", what=_WHAT))
    return None


def _head(checkpoint: str) -> str:
    """Which log, how long and with which root, as nobody has verified: only to know when to ask."""
    return checkpoint.partition("\n\n")[0]
