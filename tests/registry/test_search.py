"""Searches on both databases against plain Python, whichever way they take; and their pages."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from registry import errors
from registry.core import query, query_text
from registry.core.query import OPERATORS, Field, Kind, Operator, Order, Query, Term
from registry.db import search as rows
from registry.usecases import search
from registry.usecases.opening import Registry
from registry.usecases.search import Asked
from tests.registry import catalogues
from tests.registry.catalogues import BEGAN, KEYS, LONG, METRICS, WORDS, Known

COUNT = 60
TEXTS = st.sampled_from(
    (*WORDS, *catalogues.MODELS, "alphas", "ready", "onnx", "bob", "train", "champion", "none",
     "sha256:train")
)  # fmt: skip
PATTERNS = TEXTS | st.sampled_from(
    ["%", "r%", "%k", "ri\\%k", "ri_k", "R%", "_", "[%", "%\\\\%", "%é%", "ri*%", LONG + "%", "x%a",
     "al%", "gamma%", "\U0010ffff%", "ri\U0010ffff%", "%'%"]
)  # fmt: skip
VALUES = {
    Kind.TEXT: TEXTS,
    Kind.INTEGER: st.integers(-1, 40) | st.sampled_from([2**62, -(2**62)]),
    Kind.NUMBER: st.sampled_from(METRICS) | st.floats(-2, 2),
    Kind.INSTANT: st.sampled_from([BEGAN, BEGAN.replace(microsecond=2), BEGAN.replace(day=3)]),
}


@st.composite
def queries(draw: st.DrawFn, subject: query.Subject) -> Query:
    names = sorted(subject.sortable - {"metrics"})
    orders = st.sampled_from(names).map(Field)
    if "metrics" in subject.groups:
        orders |= st.sampled_from(["f1", "loss", "none"]).map(lambda key: Field("metrics", key))
    order = st.lists(
        st.builds(Order, orders, st.booleans()), max_size=3, unique_by=lambda one: one.field
    )
    return Query(tuple(draw(st.lists(terms(subject), max_size=3))), tuple(draw(order)))


@st.composite
def terms(draw: st.DrawFn, subject: query.Subject) -> Term:
    keys = {"metrics": ("f1", "loss", "none")}
    attributes = st.sampled_from(sorted(subject.attributes)).map(Field)
    entries = st.sampled_from(sorted(subject.groups)).flatmap(
        lambda name: st.builds(Field, st.just(name), st.sampled_from(keys.get(name, KEYS)))
    )
    field = draw(attributes | entries)
    kind = query.kind_of(field, subject)
    operator = draw(st.sampled_from(OPERATORS[kind]))
    if operator in {Operator.LIKE, Operator.ILIKE}:
        return Term(field, operator, (draw(PATTERNS.filter(lambda it: not it.endswith("ri\\"))),))
    most = 3 if operator in {Operator.IN, Operator.NOT_IN} else 1
    return Term(field, operator, tuple(draw(st.lists(VALUES[kind], min_size=1, max_size=most))))


def walk(
    registry: Registry, shape: rows.Shape, wanted: Query, size: int
) -> Iterator[Sequence[int | str]]:
    """All pages, each in a transaction of its own."""
    behind = None
    while True:
        with registry.database.reading() as session:
            page = rows.page(session, shape, wanted, behind=behind, limit=size)
        yield page.identities
        behind = page.end
        if behind is None:
            return


def require_same(
    registry: Registry, shape: rows.Shape, known: list[Known], wanted: Query, size: int
) -> None:
    """Page by page what plain Python finds, in its order, each once."""
    found = [one for page in walk(registry, shape, wanted, size) for one in page]
    fitting = [one for one in known if catalogues.fits(one, wanted.terms)]
    ordered = catalogues.in_order(fitting, wanted.order, newest_first=shape.is_newest_first)
    assert found == [one.identity for one in ordered], query_text.filter_text(wanted.terms)


ONE_CATALOGUE = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_a_search_finds_what_plain_python_finds(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, versions = catalogues.fill(registry, seed=1, count=COUNT)

    @ONE_CATALOGUE
    @given(
        st.sampled_from([0, 5, 2000]),
        st.sampled_from([1, 7, 1000]),
        queries(query.VERSIONS) | queries(query.MODELS).map(lambda it: (it,)),
    )
    def search_both(few: int, size: int, wanted: Query | tuple[Query]) -> None:
        monkeypatch.setattr(rows, "FEW", few)  # each way to a page gives the same page
        if isinstance(wanted, Query):
            require_same(registry, rows.VERSIONS, versions, wanted, size)
        else:
            require_same(registry, rows.MODELS, models, wanted[0], size)

    search_both()
