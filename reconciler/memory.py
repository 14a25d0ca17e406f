"""The rollouts, in memory and on disk: every change is saved before anybody acts on it.

What a change costs follows from the deployment that it is about, not from how many there are.
"""

import math
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace

from reconciler import sharing, state, wishes
from reconciler.core import actions, desired, outcomes, patience, remembering, rollout, setback
from reconciler.core.observed import HostState, Unreachable


class Memory:
    """One per reconciler; safe from several threads. `shared` is for those who share a fleet."""

    def __init__(self, folder: state.StateFolder, shared: sharing.Shared | None = None) -> None:
        self._folder = folder
        self._shared = shared
        self._lock = threading.Lock()
        self._rollouts = folder.rollouts()
        self._counting = {key for key, one in self._rollouts.items() if patience.counts(one)}
        self._looked_at = math.inf

    def rollouts(self) -> rollout.Rollouts:
        """What is known now."""
        with self._lock:
            return self._rollouts

    def look(
        self,
        observed: Mapping[str, HostState | Unreachable],
        now: float,
        state: desired.DesiredState | None = None,
    ) -> rollout.Rollouts:
        """Let deadlines run on, but of what may not be touched as `state` says, and take in what
        people want. Only that is saved by itself: a crash gives candidates more time."""
        with self._lock:
            for left in wishes.found(self._folder.path):
                self._take(left)
            if now < self._looked_at:  # the clock was set back, now or before we started
                self._keep(setback.not_ahead(self._rollouts, now), set(self._rollouts))
            self._looked_at = now
            if self._counting:
                self._rollouts = patience.look(
                    self._rollouts, observed, now, among=self._counting, desired=state
                )
            return self._rollouts

    def adopt(self, gained: Collection[str]) -> None:
        """Learn what others know of hosts that have become ours; raises Unavailable."""
        with self._lock:
            if self._shared is not None:
                taken = self._shared.taken_over(self._rollouts, gained)
                self._keep(taken, {*self._rollouts, *taken})

    def intend(self, action: actions.Action, now: float) -> None:
        """Remember that `action` is about to be performed."""
        with self._lock:
            changed = remembering.intend(self._rollouts, action, now)
            self._keep(changed, {actions.deployment_of(action)})

    def conclude(self, action: actions.Action, outcome: outcomes.Outcome, now: float) -> None:
        """Remember how `action` ended."""
        with self._lock:
            changed = remembering.conclude(self._rollouts, action, outcome, now)
            self._keep(changed, {actions.deployment_of(action)})

    def _take(self, left: wishes.Left) -> None:
        """Once, also after a crash; what is no rollout any more is not remembered."""
        known = self._rollouts.get(left.deployment)
        is_sound = known is not None and left.wish.id != known.granted
        if known is not None and is_sound and wishes.is_about(left.wish.verb, known):
            changed = {**self._rollouts, left.deployment: replace(known, wish=left.wish)}
            self._keep(changed, {left.deployment})
        left.drop()

    def _keep(self, changed: rollout.Rollouts, keys: Collection[str]) -> None:
        """`changed` differs from what is known in `keys` at most."""
        before, self._rollouts = self._rollouts, changed
        differing = {key for key in keys if changed.get(key) != before.get(key)}
        try:
            for key in differing:
                self._save(key, changed.get(key))
        except BaseException:
            self._rollouts = before
            raise
        if self._shared is not None:
            self._shared.send(changed, differing)

    def _save(self, key: str, known: rollout.Rollout | None) -> None:
        if known is None:
            self._folder.drop_rollout(key)
            self._counting.discard(key)
            return
        self._folder.save_rollouts({key: known})
        if patience.counts(known):
            self._counting.add(key)
        else:
            self._counting.discard(key)
