"""Searches on both databases against plain Python, whichever way they take; and their pages."""

import itertools
import json
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from registry import errors
from registry.core import query, query_text
from registry.core.query import OPERATORS, Field, Kind, Operator, Order, Query, Term
from registry.db import search as rows
from registry.usecases import documents, search
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
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
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


def test_a_walk_visits_all_that_was_there_once_while_others_are_added(registry: Registry) -> None:
    catalogues.fill(registry, seed=2, count=20)
    for filters, order in itertools.product(
        ("", "tags.team != 'nobody'", "status IN ('ready', 'failed')"),
        ("", "updated_at DESC", "metrics.f1 DESC, name"),
    ):
        wanted = Query(
            query_text.parse_filter(filters, query.VERSIONS),
            query_text.parse_order([order], query.VERSIONS),
        )
        before = [one for page in walk(registry, rows.VERSIONS, wanted, 1000) for one in page]
        visited: list[int | str] = []
        for number, page in enumerate(walk(registry, rows.VERSIONS, wanted, 9)):
            visited += page
            if number < 4:
                catalogues.add_plain(registry, 1, tags={"team": "risk"})
        assert [one for one in visited if one in before] == before
        assert len(set(visited)) == len(visited)


def test_values_and_keys_are_never_read_as_sql(registry: Registry) -> None:
    catalogues.fill(registry, seed=3, count=5)
    nasty = (
        "'; DROP TABLE versions; --", "' OR '1'='1", "\\", "%", "*", "\U0001f6a2 §", "a\nb", "?",
        ":a", "%(a)s", "[!a]", "`", "$1",
    )  # fmt: skip
    for one in nasty:
        catalogues.add_plain(registry, 1, tags={one: one})
    for one in nasty:
        value, key = one.replace("'", "''"), one.replace("`", "``")
        escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        for filters in (f"tags.`{key}` = '{value}'", f"tags.`{key}` LIKE '{escaped}'"):
            found = search.versions_everywhere(registry, Asked(filters)).items
            assert [json.loads(version)["metadata"]["tags"] for version in found] == [{one: one}]
    with registry.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM versions")).scalar_one() == 18


def test_the_largest_filter_that_is_allowed_is_answered(registry: Registry) -> None:
    catalogues.fill(registry, seed=4, count=5)
    parts = [f"tags.team != '{'x' * 160}'"] * 10 + ["alias IN ('a', 'b')"] * 5
    parts += [f"metrics.f1 {operator} 1.7e308" for operator in ("<", "<=", "!=", ">", ">=")]
    found = search.versions_everywhere(registry, Asked(" AND ".join(parts)))
    assert (found.items, found.token) == ([], None)
    many = ", ".join(f"'{number}'" for number in range(100))
    assert not search.versions_everywhere(registry, Asked(f"name IN ({many})")).items
    long = "%" + "a" * 3900
    assert not search.versions_everywhere(registry, Asked(f"owner LIKE '{long}'")).items


def test_a_token_goes_with_its_own_search_alone(registry: Registry) -> None:
    catalogues.fill(registry, seed=5, count=20)
    asked = Asked("status != 'x'", ["version DESC"], limit=2)
    token = search.versions_everywhere(registry, asked).token
    assert token
    for other in (
        Asked("status != 'y'", ["version DESC"], token=token),
        Asked("status != 'x'", ["version"], token=token),
        Asked("", [], token=token),
        Asked("status != 'x'", ["version DESC"], token=token[:-4]),
    ):
        with pytest.raises(errors.InvalidInput):
            search.versions_everywhere(registry, other)
    with pytest.raises(errors.InvalidInput):
        search.models(registry, Asked(token=token))
    with pytest.raises(errors.InvalidInput):
        search.versions_of(registry, "alpha", Asked("status != 'x'", ["version DESC"], token=token))
    # Written another way, it is the same search; and pages may change their length.
    same = Asked('status  !=  "x"', ["version_number desc"], limit=5, token=token)
    assert len(search.versions_everywhere(registry, same).items) == 5


def test_a_page_is_whole_and_costs_as_many_statements_as_one_version(registry: Registry) -> None:
    _, known = catalogues.fill(registry, seed=6, count=30)
    statements: list[str] = []
    event.listen(
        registry.database.engine,
        "before_cursor_execute",
        lambda *given: statements.append(given[2]),
    )
    search.versions_everywhere(registry, Asked(limit=1))
    for_one = len(statements)
    page = search.versions_everywhere(registry, Asked(limit=30)).items
    assert len(statements) == 2 * for_one <= 26
    by_name = {(one.attributes["name"], one.attributes["version"]): one for one in known}
    for version in map(json.loads, page):
        expected, said = by_name[version["model"], version["version"]], version["metadata"]
        assert said["tags"] == expected.groups["tags"]
        assert said["parameters"] == expected.groups["params"]
        assert said["metrics"] == expected.groups["metrics"]
        assert {one["format"] for one in version["variants"]} == expected.members["format"]
        assert {one["name"] for one in said["datasets"]} == expected.members["dataset.name"]
    documents.renew(registry.database, documents.BEGINNING, lambda: False)
    statements.clear()
    assert search.versions_everywhere(registry, Asked(limit=30)).items == page
    assert len(statements) <= 4


def test_models_come_with_their_newest_version_and_how_many_there_are(registry: Registry) -> None:
    _, versions = catalogues.fill(registry, seed=7, count=25)
    found = search.models(registry, Asked()).items
    assert [one.model.name for one in found] == list(catalogues.MODELS)
    for one in found:
        numbers = [
            known.attributes["version"]
            for known in versions
            if known.attributes["name"] == one.model.name
        ]
        assert one.count == len(numbers)
        assert (one.newest.version if one.newest else None) == max(numbers, default=None)


def test_a_deleted_model_is_not_found(registry: Registry) -> None:
    catalogues.fill(registry, seed=8, count=3)
    with registry.database.writing() as session:
        session.execute(text("UPDATE models SET deleted_at = created_at WHERE name = 'beta'"))
        session.commit()
    for filters in ("", "tags.team LIKE '%'", "name != 'x'", "display_name = 'betas'"):
        found = search.models(registry, Asked(filters)).items
        assert "beta" not in [one.model.name for one in found]


@pytest.mark.parametrize("order", ["name, version, metrics.f1", "version DESC, name, metrics.f1"])
def test_what_no_two_rows_are_equal_for_needs_no_more_order(registry: Registry, order: str) -> None:
    """Once the model and the number are in it, nothing behind them says anything."""
    _, versions = catalogues.fill(registry, seed=5, count=20)
    by = query_text.parse_order([order], query.VERSIONS)
    require_same(registry, rows.VERSIONS, versions, Query((), by), 7)
