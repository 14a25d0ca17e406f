"""The rollouts, in memory and on disk: every change is saved before anybody acts on it."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import replace

from reconciler import sharing, state, wishes
from reconciler.core import actions, outcomes, remembering, rollout
from reconciler.core.observed import HostState, Unreachable


class Memory:
    """One per reconciler; safe from several threads. `shared` is for those who share a fleet."""

    def __init__(self, folder: state.StateFolder, shared: sharing.Shared | None = None) -> None:
        self._folder = folder
        self._shared = shared
        self._lock = threading.Lock()
        self._rollouts = folder.rollouts()

    def rollouts(self) -> rollout.Rollouts:
        """What is known now."""
        with self._lock:
            return self._rollouts

    def look(self, observed: Mapping[str, HostState | Unreachable], now: float) -> rollout.Rollouts:
        """Let deadlines run on, and take in what people want. Only that is saved by itself: a
        crash gives candidates more time."""
        with self._lock:
            for left in wishes.found(self._folder.path):
                self._take(left)
            self._rollouts = remembering.look(self._rollouts, observed, now)
            return self._rollouts

    def adopt(self, gained: Collection[str]) -> None:
        """Learn what others know of hosts that have become ours; raises Unavailable."""
        with self._lock:
            if self._shared is not None:
                self._keep(self._shared.taken_over(self._rollouts, gained))

    def intend(self, action: actions.Action, now: float) -> None:
        """Remember that `action` is about to be performed."""
        with self._lock:
            self._keep(remembering.intend(self._rollouts, action, now))

    def conclude(self, action: actions.Action, outcome: outcomes.Outcome, now: float) -> None:
        """Remember how `action` ended."""
        with self._lock:
            self._keep(remembering.conclude(self._rollouts, action, outcome, now))

    def _take(self, left: wishes.Left) -> None:
        """Once, also after a crash; what is no rollout any more is not remembered."""
        known = self._rollouts.get(left.deployment)
        is_sound = known is not None and left.wish.id != known.granted
        if known is not None and is_sound and wishes.is_about(left.wish.verb, known):
            self._keep({**self._rollouts, left.deployment: replace(known, wish=left.wish)})
        left.drop()

    def _keep(self, changed: rollout.Rollouts) -> None:
        if changed != self._rollouts:
            self._folder.save_rollouts(changed)
            self._rollouts = changed
        if self._shared is not None:
            self._shared.send(changed)
