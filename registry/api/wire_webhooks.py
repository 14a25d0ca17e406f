"""What travels about webhooks. A secret goes in, and out once, where it was made."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from registry.api.wire import Document
from registry.core import destination
from registry.db.tables_events import DeadLetter, Webhook
from registry.db.webhooks import ACTIVE
from registry.usecases.messages import SLACK
from registry.usecases.webhooks import Tried, Wish

Url = Annotated[str, Field(max_length=2048)]
Description = Annotated[str, Field(max_length=2000)]
Kinds = Annotated[list[str], Field(max_length=200)]
Glob = Annotated[str, Field(max_length=128)]
Secret = Annotated[str, Field(max_length=256)]


class NewWebhook(Document):
    """Without `kinds` it is told of every entry, without `model` of every model's.

    `form` is what it gets: signed `cloudevents`, a line of chat as `slack` takes it, or `email`,
    where `url` is like `mailto:ops@example.org`.
    """

    name: str
    url: Url
    description: Description = ""
    kinds: Kinds = []
    model: Glob = ""
    secret: Secret | None = None
    form: Literal["cloudevents", "slack", "email"] = "cloudevents"

    def wish(self) -> Wish:
        return Wish(**self.model_dump(exclude={"form"}))


class WebhookEdit(Document):
    """What is left out stays. `active` false pauses it, true goes on where it stopped."""

    name: str | None = None
    url: Url | None = None
    description: Description | None = None
    kinds: Kinds | None = None
    model: Glob | None = None
    secret: Secret | None = None
    active: bool | None = None

    def wish(self) -> Wish:
        said = self.model_dump()
        return Wish(is_active=said.pop("active"), **said)


class WebhookDocument(Document):
    """`nextIndex` is the log's next entry to look at; `failedAttempts` are of the event there.

    `form` is `cloudevents`, `slack`, `email`, or `mlflow` for one that was made through MLflow.
    Whoever has the address of a chat's can write there, so that only its host is shown.
    """

    id: str
    name: str
    url: str
    form: str
    description: str
    kinds: list[str]
    model: str
    active: bool
    paused_because: str
    next_index: int
    failed_attempts: int
    next_attempt_at: datetime | None
    last_error: str
    delivered_at: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    secret: str | None = None


class WebhookList(Document):
    webhooks: list[WebhookDocument]
    next_page_token: str | None = None


class DeadLetterDocument(Document):
    """An event that was not taken; `index` is its entry's in the log, and its id."""

    index: int
    attempts: int
    reason: str
    died_at: datetime


class DeadLetterList(Document):
    dead_letters: list[DeadLetterDocument]
    next_page_token: str | None = None


class Attempt(Document):
    """How one attempt to deliver went."""

    delivered: bool
    reason: str


def webhook_document(row: Webhook, *, secret: str | None = None) -> WebhookDocument:
    return WebhookDocument(
        id=row.id,
        name=row.name,
        url=_shown(row),
        form=row.form,
        description=row.description,
        kinds=row.kinds,
        model=row.model,
        active=row.status == ACTIVE,
        paused_because=row.status_reason,
        next_index=row.cursor,
        failed_attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        last_error=row.last_error,
        delivered_at=row.delivered_at,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        secret=secret,
    )


def _shown(row: Webhook) -> str:
    return f"https://{destination.parse(row.url).host}/…" if row.form == SLACK else row.url


def dead_letter_document(row: DeadLetter) -> DeadLetterDocument:
    return DeadLetterDocument(
        index=row.log_index, attempts=row.attempts, reason=row.reason, died_at=row.died_at
    )


def attempt(tried: Tried) -> Attempt:
    return Attempt(delivered=tried.is_delivered, reason=tried.reason)
