"""Which models a grant is about: globs over names, and over the projects that models are in."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from registry import errors

# Names have no other signs, so a glob needs none either; and each of these is one in SQL too.
_GLOB = re.compile(r"[a-z0-9._/*?-]{1,128}")
_MOST = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """A model is covered where its name or its project is. Empty covers nothing."""

    models: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        return "*" in self.models

    def covers(self, model: str, project: str = "") -> bool:
        """Whether the model, being in `project` (empty: in none), is within this scope."""
        return any(fnmatchcase(model, glob) for glob in self.models) or (
            project != "" and any(fnmatchcase(project, glob) for glob in self.projects)
        )

    def __str__(self) -> str:
        if self.is_everything:
            return "all models"
        told = [*self.models, *(f"project {glob}" for glob in self.projects)]
        return ", ".join(told) or "no model"


EVERYTHING = Scope(models=("*",))


def globs(texts: list[str], *, what: str) -> tuple[str, ...]:
    """`texts`, if each is a glob of names; raises InvalidInput."""
    for text in texts:
        if not _GLOB.fullmatch(text):
            raise errors.InvalidInput(
                f"{what} {text[:80]!r} is no glob of names",
                fix="use letters, digits, '.', '_', '-', '/', and '*' or '?' for what may vary",
            )
    if len(texts) > _MOST:
        raise errors.InvalidInput(f"{what}: more than {_MOST} globs", fix="use wider ones")
    return tuple(texts)
