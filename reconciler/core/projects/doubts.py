"""Which deployments are not removed now: those that a file that is wrong may be about. Pure.

A file that cannot be read might be one that was moved or renamed. Where projects have files of
their own, it can only be one of its own project's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.core.kinds import Project
from reconciler.core.projects import globs
from registry.core.documents import Problem

Claims: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]

_NOBODY = ""
# What these are about is known by name, and is held.
_HARMLESS = (
    "models.d/hosts/",
    "models.d/templates/",
    "models.d/projects/",
    "models.d/experiments/",
    "models.d/promotions/",
    "policies/",
)


@dataclass(frozen=True, slots=True)
class Doubts:
    """`projects` have a file that is wrong; the empty one is that of all files nobody claims."""

    claims: Claims = ()
    projects: frozenset[str] = frozenset()

    def may_prune(self, key: str) -> bool:
        """Whether the deployment `key`, which Git no longer asks for, may go."""
        return not self.projects or self.projects.isdisjoint(
            _owners(self.claims, f"models.d/{key}.yaml")
        )


NONE = Doubts()


def of(projects: Iterable[Project], problems: Iterable[Problem]) -> Doubts:
    """The doubts that `problems` leave."""
    claims = tuple((one.metadata.name, tuple(one.spec.files)) for one in projects if one.spec.files)
    paths = {one.path for one in problems if not one.path.startswith(_HARMLESS)}
    return Doubts(claims, frozenset(name for path in paths for name in _owners(claims, path)))


def _owners(claims: Claims, path: str) -> set[str]:
    return {name for name, files in claims if globs.any_fits(files, path)} or {_NOBODY}
