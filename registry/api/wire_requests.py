"""What people asked of deployments, as reconcilers read and answer it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from registry.api.wire import Document
from registry.core.asking import ANSWER_LIMIT, State
from registry.db.tables_requests import Request

Holder = Annotated[str, Field(max_length=128)]


class RequestDocument(Document):
    """`deployment` is ENVIRONMENT/NAME; `by` is who asks, as the log calls them."""

    id: str
    deployment: str
    verb: str
    version: int | None
    reason: str
    by: str
    asked_at: datetime
    expires_at: datetime
    state: str
    taken_by: str
    answer: str
    address: str
    log_index: int


class RequestList(Document):
    requests: list[RequestDocument]


class NewTaking(Document):
    """`holder` tells reconcilers with one token apart."""

    holder: Holder = ""


class NewAnswer(Document):
    """`address` is where people see what was done, such as a pull request's."""

    holder: Holder = ""
    outcome: Literal["done", "refused"]
    text: Annotated[str, Field(min_length=1, max_length=ANSWER_LIMIT)]
    address: Annotated[str, Field(max_length=ANSWER_LIMIT)] = ""

    def state(self) -> State:
        return State(self.outcome)


def request_document(row: Request) -> RequestDocument:
    return RequestDocument(
        id=row.id,
        deployment=f"{row.environment}/{row.name}",
        verb=row.verb,
        version=row.version,
        reason=row.reason,
        by=row.asked_by,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        state=row.state,
        taken_by=row.taken_by,
        answer=row.answer,
        address=row.address,
        log_index=row.log_index,
    )
