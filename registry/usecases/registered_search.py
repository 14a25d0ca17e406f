"""Searches as MLflow asks for them: `name` is the display name, and what is gone is not found."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from registry.core import cursor, mlflow, query, query_text
from registry.core.query import Field, Operator, Order, Query, Subject, Term
from registry.core.scope import EVERYTHING, Scope
from registry.db import registered, search, tables
from registry.db.engine import Session
from registry.db.registered import RegisteredModel, RegisteredVersion
from registry.usecases.opening import Registry

T = TypeVar("T")

_NAME, _DISPLAY_NAME, _STATUS = Field("name"), Field("display_name"), Field("status")
_SHOWN = Term(_STATUS, Operator.NOT_IN, (tables.EXPIRED, tables.ERASED))
_PROMPT = Field("tags", mlflow.PROMPT_TAG)
_NO_PROMPTS = (
    Term(_PROMPT, Operator.UNEQUAL, ("true",)),
    Term(_PROMPT, Operator.EQUAL, ("false",)),
)
_NEWEST_CHANGE = Order(Field("updated_at"), is_descending=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """One page of a search, of models that `scope` covers; an empty `token` is the first."""

    filter: str
    order_by: Sequence[str]
    limit: int
    token: str
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One page, and the token of the next; empty where there is none."""

    items: list[T]
    token: str


def models(registry: Registry, asked: Asked) -> Found[RegisteredModel]:
    """By display name unless asked otherwise; raises InvalidInput."""
    wanted = _query(asked, query.MODELS)
    order = tuple(_by_display_name(one) for one in wanted.order) or (Order(_DISPLAY_NAME),)
    terms = tuple(_of_display_name(term) for term in wanted.terms)
    with registry.database.reading() as session:
        page = _page(session, search.MODELS, Query(terms, order), asked)
        return Found(registered.models(session, [str(one) for one in page.items]), page.token)


def versions(registry: Registry, asked: Asked) -> Found[RegisteredVersion]:
    """The last changed first unless asked otherwise; raises InvalidInput."""
    wanted = _query(asked, query.VERSIONS)
    with registry.database.reading() as session:
        terms = (*_by_slug(session, wanted.terms), _SHOWN)
        order = wanted.order or (_NEWEST_CHANGE,)
        page = _page(session, search.VERSIONS, Query(terms, order), asked)
        return Found(registered.versions(session, [int(one) for one in page.items]), page.token)


def _query(asked: Asked, subject: Subject) -> Query:
    terms = query_text.parse_filter(asked.filter, subject)
    return Query(
        tuple(term for term in terms if term not in _NO_PROMPTS),
        query_text.parse_order(asked.order_by, subject),
    )


def _page(session: Session, shape: search.Shape, wanted: Query, asked: Asked) -> Found[int | str]:
    said = f"mlflow {shape.subject.name}: {query_text.filter_text(wanted.terms)} / "
    said += query_text.order_text(wanted.order)
    behind = None
    if asked.token:
        behind = cursor.decode(asked.token, asked=said, kinds=search.kinds(shape, wanted))
    page = search.page(session, shape, wanted, behind=behind, limit=asked.limit, scope=asked.scope)
    token = cursor.encode(page.end, asked=said) if page.end is not None else ""
    return Found(list(page.identities), token)


def _by_slug(session: Session, terms: Iterable[Term]) -> Iterator[Term]:
    """Equal names as slugs, which an index finds; all other comparisons by display name."""
    for term in terms:
        if term.field != _NAME or term.operator not in {Operator.EQUAL, Operator.IN}:
            yield _of_display_name(term)
            continue
        found = [registered.find_model(session, str(value)) for value in term.values]
        slugs = tuple(dict.fromkeys(model.name for model in found if model is not None))
        # No model can be called so: then no version is found.
        values = slugs or ("/",)
        operator = Operator.EQUAL if len(values) == 1 else Operator.IN
        yield Term(_NAME, operator, values)


def _of_display_name(term: Term) -> Term:
    return replace(term, field=_DISPLAY_NAME) if term.field == _NAME else term


def _by_display_name(order: Order) -> Order:
    return replace(order, field=_DISPLAY_NAME) if order.field == _NAME else order
