"""Searches versions and models, page by page. What there is to say in one stands in `query`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from registry.core import cursor, names, query_text
from registry.core.query import Field, Operator, Order, Query, Term
from registry.core.scope import EVERYTHING, Scope
from registry.db import search, summaries, versions, whole
from registry.db.engine import Session
from registry.db.summaries import Summary
from registry.usecases import documents
from registry.usecases.opening import Registry

PAGE = 100
LARGEST_PAGE = 1000

_NUMBER = Field("version")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """One page of a search as somebody typed it; an empty `token` is the first.

    Only models that `scope` covers are found.
    """

    filter: str = ""
    order_by: Sequence[str] = ()
    limit: int = PAGE
    token: str = ""
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One page, and the token of the next; None where there is none."""

    items: Sequence[T]
    token: str | None


def versions_everywhere(registry: Registry, asked: Asked) -> Found[str]:
    """Their documents, the newest first unless asked otherwise; raises InvalidInput."""
    with registry.database.reading() as session:
        return _documents(session, _query(search.VERSIONS, asked), asked)


def versions_of(registry: Registry, model: str, asked: Asked) -> Found[str]:
    """Of one model, the highest number first unless asked otherwise; raises NotFound too."""
    with registry.database.reading() as session:
        versions.model(session, model)
        return _documents(session, _of_model(model, asked), asked)


def page_of_model(session: Session, model: str, asked: Asked) -> Found[whole.Version]:
    """Like `versions_of`, loaded, in somebody's session and for a model that is there."""
    found, token = _page(session, search.VERSIONS, _of_model(model, asked), asked)
    return Found(whole.load(session, [int(one) for one in found]), token)


def models(registry: Registry, asked: Asked) -> Found[Summary]:
    """By name unless asked otherwise; raises InvalidInput."""
    with registry.database.reading() as session:
        wanted = _query(search.MODELS, asked)
        found, token = _page(session, search.MODELS, wanted, asked)
        return Found(summaries.load(session, [str(name) for name in found]), token)


def _of_model(model: str, asked: Asked) -> Query:
    of_it = Term(Field("name"), Operator.EQUAL, (names.slug(model),))
    wanted = _query(search.VERSIONS, asked)
    order = wanted.order or (Order(_NUMBER, is_descending=True),)
    return Query((of_it, *wanted.terms), order)


def _documents(session: Session, wanted: Query, asked: Asked) -> Found[str]:
    found, token = _page(session, search.VERSIONS, wanted, asked)
    return Found(documents.of(session, [int(one) for one in found]), token)


def _query(shape: search.Shape, asked: Asked) -> Query:
    return Query(
        query_text.parse_filter(asked.filter, shape.subject),
        query_text.parse_order(asked.order_by, shape.subject),
    )


def _page(
    session: Session, shape: search.Shape, wanted: Query, asked: Asked
) -> tuple[tuple[int | str, ...], str | None]:
    said = " / ".join(
        (
            shape.subject.name,
            query_text.filter_text(wanted.terms),
            query_text.order_text(wanted.order),
        )
    )
    behind = None
    if asked.token:
        behind = cursor.decode(asked.token, asked=said, kinds=search.kinds(shape, wanted))
    page = search.page(session, shape, wanted, behind=behind, limit=asked.limit, scope=asked.scope)
    token = cursor.encode(page.end, asked=said) if page.end is not None else None
    return page.identities, token
