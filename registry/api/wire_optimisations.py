"""Documents of recipes that the registry runs: what is left with it, and what comes of it."""

from datetime import datetime
from typing import Annotated, Literal, cast

from pydantic import Field

from registry.api.wire import Document
from registry.core.oms import File
from registry.db.tables_optimisations import Optimisation

State = Literal["waiting", "running", "done", "failed"]


class NewOptimisation(Document):
    """`recipe` is the text of an OptimisationRecipe on a version of this registry; `files` are the
    digests of uploaded samples, by the path that the recipe names them by."""

    recipe: Annotated[str, Field(min_length=1, max_length=65_536)]
    files: Annotated[
        dict[Annotated[str, Field(max_length=512)], Annotated[str, Field(max_length=71)]],
        Field(max_length=16),
    ] = Field(default_factory=dict)


class MadeFile(Document):
    """`GET /v1/blobs/{digest}` has its bytes."""

    path: str
    digest: str
    size: int


class OptimisationDocument(Document):
    """`phase` is what is being done, `done` of `total` steps. `reason` says why there is no model;
    `made` what there is: a report, a plot, and the model where one holds the constraints."""

    id: str
    name: str
    model: str
    version: int
    actor: str
    state: State
    phase: str
    done: int
    total: int
    reason: str
    created_at: datetime
    updated_at: datetime
    made: list[MadeFile]


class OptimisationList(Document):
    """The newest first; without the files."""

    optimisations: list[OptimisationDocument]
    next_page_token: str | None


def document(row: Optimisation, made: tuple[File, ...] = ()) -> OptimisationDocument:
    return OptimisationDocument(
        id=row.id,
        name=row.name,
        model=row.version.model,
        version=row.version.version,
        actor=row.actor,
        state=cast("State", row.state),
        phase=row.phase,
        done=row.done,
        total=row.total,
        reason=row.reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
        made=[MadeFile(path=one.path, digest=one.digest, size=one.size) for one in made],
    )
