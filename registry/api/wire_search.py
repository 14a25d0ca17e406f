"""What a search takes and gives."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from registry.api import wire_models
from registry.api.wire import Document
from registry.core import reader
from registry.core.scope import EVERYTHING, Scope
from registry.db.summaries import Newest, Summary
from registry.usecases.search import LARGEST_PAGE, PAGE, Asked

TOKEN_LIMIT = 8192


class Paging(Document):
    """Which page, and how long it is."""

    max_results: Annotated[int, Field(strict=False, ge=1, le=LARGEST_PAGE)] = PAGE
    page_token: Annotated[str, Field(max_length=TOKEN_LIMIT)] = ""


class Search(Paging):
    """A page of what fits `filter`; each `orderBy` may name several fields, with commas."""

    filter: Annotated[str, Field(max_length=reader.LENGTH_LIMIT)] = ""
    order_by: list[str] = []

    def asked(self, within: Scope = EVERYTHING) -> Asked:
        return Asked(self.filter, self.order_by, self.max_results, self.page_token, within)


class VersionList(Document):
    """`nextPageToken` brings the next page of the same search; null on the last."""

    versions: list[wire_models.VersionDocument]
    next_page_token: str | None


class NewestDocument(Document):
    version: int
    status: str
    digest: str | None
    format: str | None
    created_at: datetime


class ModelSummary(Document):
    """`newest` is the version with the highest number, in whatever state; null without one."""

    name: str
    display_name: str
    description: str
    owner: str
    project: str
    tags: dict[str, str]
    aliases: dict[str, int]
    version_count: int
    newest: NewestDocument | None
    created_at: datetime
    updated_at: datetime


class ModelList(Document):
    """`nextPageToken` brings the next page of the same search; null on the last."""

    models: list[ModelSummary]
    next_page_token: str | None


def summary(found: Summary) -> ModelSummary:
    return ModelSummary(
        name=found.model.name,
        display_name=found.model.display_name,
        description=found.model.description,
        owner=found.model.owner,
        project=found.model.project,
        tags={tag.key: tag.value for tag in found.tags},
        aliases={alias.alias: alias.version for alias in found.aliases},
        version_count=found.count,
        newest=_newest(found.newest) if found.newest else None,
        created_at=found.model.created_at,
        updated_at=found.model.updated_at,
    )


def _newest(found: Newest) -> NewestDocument:
    return NewestDocument(
        version=found.version,
        status=found.status,
        digest=found.digest,
        format=found.format,
        created_at=found.created_at,
    )
