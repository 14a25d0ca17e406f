"""Desired state from Git, newest commit first, without ever keeping anybody waiting.

Fetching runs on a thread of its own: a slow or dead Git host delays new commits and nothing
else. What was fetched passes the gate first; what does not pass changes nothing. Until the first
fetch succeeds, the commit that an earlier run had in force stands.
"""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

import structlog

from reconciler import authors, gate, repo
from reconciler.core import desired
from reconciler.core.authorship import NOTHING_KEPT, Kept
from registry import errors

_FILE_LIMIT = 8 << 20
_JITTER = 0.2
_TOO_LARGE = bytes(_FILE_LIMIT)
_LINK = b"!a-symbolic-link-or-submodule-is-not-followed"

log = structlog.get_logger()


class Source:
    """Polls every `poll_s` seconds, up to a fifth sooner or later, and whenever hinted."""

    def __init__(
        self,
        repository: repo.Repository,
        gate: gate.Gate,
        *,
        poll_s: float,
        clock: Callable[[], float],
        allow_empty: bool = False,
        has_forge: bool = False,
    ) -> None:
        self._repository = repository
        self._gate = gate
        self._allow_empty = allow_empty
        self._reader = desired.Reader()
        self._has_forge = has_forge
        self._poll_s = poll_s
        self._clock = clock
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="git")
        self._hinted = threading.Event()
        self._hinted.set()
        self._next_poll = 0.0
        self._fetching: Future[desired.DesiredState] | None = None
        self._is_late = False
        self._state: desired.DesiredState | None = None
        self.error = ""
        self.fetched_at = 0.0

    def hint(self) -> None:
        """Something may have been pushed: look at the next call of `state`."""
        self._hinted.set()

    def state(self, *, patience_s: float) -> desired.DesiredState | None:
        """The newest state known, after waiting at most `patience_s` for a fetch that is due.

        A fetch that was waited for in vain is not waited for again while there is a state: hosts
        are looked after at the same pace while Git hangs.
        """
        if self._fetching is None and (self._hinted.is_set() or self._is_due()):
            self._hinted.clear()
            self._fetching = self._worker.submit(self._fetch)
            spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  not a secret
            self._next_poll = self._clock() + self._poll_s * spread
        if self._fetching is not None:
            patience = 0.0 if self._is_late and self._state is not None else patience_s
            self._is_late = not wait([self._fetching], timeout=patience).done
            if not self._is_late:
                self._take(self._fetching)
                self._fetching = None
        return self._state

    def close(self) -> None:
        """Stop fetching."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _is_due(self) -> bool:
        """Also where the clock was set back: no poll is further away than it was set."""
        ahead = self._next_poll - self._clock()
        return not 0 < ahead <= self._poll_s * (1 + _JITTER)

    def _take(self, fetched: "Future[desired.DesiredState]") -> None:
        try:
            self._state = fetched.result()
        except errors.PlimsollError as error:
            if error.detail != self.error:
                log.warning("the repository was not read", error=error.detail)
            self.error = error.detail
            if self._state is None:
                self._state = self._known()
        else:
            self.error = ""
            self.fetched_at = self._clock()

    def _fetch(self) -> desired.DesiredState:
        return self._load(self._gate.admit(self._repository.fetch()))

    def _known(self) -> desired.DesiredState | None:
        commit = self._repository.known()
        return self._load(self._gate.admit(commit)) if commit is not None else None

    def _load(self, standing: gate.Standing) -> desired.DesiredState:
        state = self._state
        kept = {path: one.why for path, one in standing.kept.items()}
        if state is None or (state.commit, state.kept) != (standing.commit, kept):
            files = read(self._repository, standing.commit, standing.kept)
            state = self._reader.load(
                files, commit=standing.commit, allow_empty=self._allow_empty, kept=kept
            )
        return replace(
            state,
            provenance=standing.provenance,
            refused=standing.refused,
            has_forge=self._has_forge,
        )


def load(
    repository: repo.Repository, commit: str, *, allow_empty: bool, kept: Mapping[str, Kept]
) -> desired.DesiredState:
    """The desired state at `commit`, but for files that are `kept`."""
    files = read(repository, commit, kept)
    told = {path: one.why for path, one in kept.items()}
    return desired.load(files, commit=commit, allow_empty=allow_empty, kept=told)


def read(
    repository: repo.Repository, commit: str, kept: Mapping[str, Kept] = NOTHING_KEPT
) -> dict[str, bytes]:
    """All files at `commit`. A link, or a file over the limit, is a broken file."""
    return contents(repository, authors.in_force(repository.list(commit, desired.FOLDERS), kept))


def contents(repository: repo.Repository, blobs: Sequence[repo.Blob]) -> dict[str, bytes]:
    """The content of each by its path; as `read` says of links and of what is too large."""
    known = repository.read_all([blob for blob in blobs if blob.regular], limit=_FILE_LIMIT)
    return {blob.path: known.get(blob.id, _TOO_LARGE) if blob.regular else _LINK for blob in blobs}
