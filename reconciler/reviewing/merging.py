"""Marks the followed branch's newest commit with how its deployments are doing.

What it says is the registry's word, so that it is right where several reconcilers and agents
share a fleet. Only what the commit changed is asked for, and only until it is settled.
"""

from collections.abc import Mapping
from dataclasses import replace

from reconciler import client, forges
from reconciler.core.review import changing, merged
from reconciler.core.review.marks import DEPLOY, State, Status
from reconciler.reviewing.heads import Heads, Sides
from reconciler.reviewing.memory import Followed, Memory
from registry import errors


class Merging:
    """One branch; used by one thread."""

    def __init__(
        self,
        heads: Heads,
        sides: Sides,
        memory: Memory,
        forge: forges.Forge,
        registry: client.Registry,
    ) -> None:
        self._heads = heads
        self._sides = sides
        self._memory = memory
        self._forge = forge
        self._registry = registry

    def round(self, commit: str) -> None:
        """`commit` is the newest one; raises `Unavailable` and `GitUnavailable`."""
        followed = self._memory.followed
        if followed is None or followed.commit != commit:
            followed = self._follow(followed, commit)
        wanted = self._side(commit).state.deployments
        for environment, keys in followed.environments.items():
            before = followed.said.get(environment, "")
            if before.startswith(State.SUCCESS):
                continue
            shown = [
                merged.Shown(key, key in wanted, self._registry.deployment(key)) for key in keys
            ]
            status = merged.status(environment, commit, shown)
            said = f"{status.state} {status.text}"
            if said != before:
                self._forge.mark(commit, status)
                followed = replace(followed, said={**followed.said, environment: said})
                self._memory.follow(followed)

    def _follow(self, before: Followed | None, commit: str) -> Followed:
        """What an earlier commit changed and is not settled yet is the newer one's from now on."""
        if before is None:
            found = Followed(commit)
        else:
            unsettled = {
                name: keys
                for name, keys in before.environments.items()
                if not before.said.get(name, "").startswith(State.SUCCESS)
            }
            for name in unsettled:
                text = f"superseded by {commit[:12]} before it was settled"
                self._forge.mark(before.commit, Status(f"{DEPLOY}{name}", State.ERROR, text))
            new = self._changed(before.commit, commit)
            together = {
                name: tuple(dict.fromkeys((*unsettled.get(name, ()), *new.get(name, ()))))
                for name in sorted({*unsettled, *new})
            }
            found = Followed(commit, together)
        self._memory.follow(found)
        return found

    def _changed(self, before: str, commit: str) -> Mapping[str, tuple[str, ...]]:
        """By environment; nothing where the clone was made anew since and lacks `before`, since
        the branch was rewritten."""
        try:
            one = self._side(before)
        except errors.GitUnavailable:
            return {}
        return merged.environments(changing.changes(one.state, self._side(commit).state))

    def _side(self, commit: str) -> changing.Side:
        return self._sides.at(self._heads.commit(commit).tree, commit)
