"""Which models a grant is about: globs over names, and over the projects that models are in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from registry import errors
from registry.core import fields
from registry.core.canonical import Json

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

    def document(self) -> dict[str, Json]:
        """JSON form, as a token's row and the log keep it."""
        return {"models": [*self.models], "projects": [*self.projects]}

    def __str__(self) -> str:
        if self.is_everything:
            return "all models"
        told = [*self.models, *(f"project {glob}" for glob in self.projects)]
        return ", ".join(told) or "no model"


EVERYTHING = Scope(models=("*",))


def of_document(document: dict[str, Json]) -> Scope:
    """What `document` was made of; raises InvalidInput."""
    return Scope(
        globs(fields.sequence(document, "models", what="scope"), what="model"),
        globs(fields.sequence(document, "projects", what="scope"), what="project"),
    )


def globs(listed: Sequence[object], *, what: str) -> tuple[str, ...]:
    """`listed`, if each is a glob of names; raises InvalidInput."""
    if len(listed) > _MOST:
        raise errors.InvalidInput(f"{what}: more than {_MOST} globs", fix="use wider ones")
    return tuple(_glob(item, what) for item in listed)


def _glob(item: object, what: str) -> str:
    if isinstance(item, str) and _GLOB.fullmatch(item):
        return item
    raise errors.InvalidInput(
        f"{what} {str(item)[:80]!r} is no glob of names",
        fix="use lower-case letters, digits, '.', '_', '-', '/', and '*' or '?' for what may vary",
    )
