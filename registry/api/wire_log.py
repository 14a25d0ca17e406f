"""What a search of the log takes and gives."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from registry.api.wire import Document, Told
from registry.core.entries import Kind
from registry.db.log_search import Wanted
from registry.usecases import log_search
from registry.usecases.log_search import When

LARGEST_PAGE = 1000
MOST_NAMES = 10


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


Name = Annotated[str, Field(min_length=1, max_length=256)]
Moment = Annotated[datetime, Field(strict=False), AfterValidator(_in_utc)]


class LogQuestion(Document):
    """Which entries: all that is given must fit, and any one of the `actor`s.

    An `actor` is `role:name` or a name as the log has it; for auditors also who signed what the
    entry records. `since` and `until` are moments, `before` is an index.
    """

    kind: Annotated[Kind | None, Field(strict=False)] = None
    model: Annotated[str, Field(max_length=128)] = ""
    version: Annotated[int, Field(strict=False, ge=0, lt=2**63)] = 0
    host: Annotated[str, Field(max_length=255)] = ""
    deployment: Annotated[str, Field(max_length=255)] = ""
    actor: Annotated[list[Name], Field(max_length=MOST_NAMES)] = []
    since: Moment | None = None
    until: Moment | None = None
    before: Annotated[int | None, Field(strict=False, ge=0, lt=2**63)] = None
    limit: Annotated[int, Field(strict=False, ge=1, le=LARGEST_PAGE)] = 100

    def wanted(self, *, looks_up: bool) -> Wanted:
        actors, signers = log_search.asked_for(self.actor, looks_up=looks_up)
        return Wanted(
            self.kind or "", self.model, self.version, self.host, self.deployment, actors, signers
        )

    def when(self) -> When:
        return When(self.since, self.until, self.before)


class LogFound(Document):
    """The newest first; `before` is where to go on, null where there is no more."""

    entries: list[Told]
    before: int | None
