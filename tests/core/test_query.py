"""The language of searches: what reads, what is refused and where, and that writing reads back."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import like, query_text
from registry.core.query import MODELS, OPERATORS, VERSIONS, Field, Kind, Operator, Order, Term
from registry.errors import InvalidInput

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=30)
KEYS = TEXTS.filter(bool)
INSTANTS = st.datetimes(timezones=st.just(UTC))
VALUES = {
    Kind.TEXT: TEXTS,
    Kind.INTEGER: st.integers(-(2**63) + 1, 2**63 - 1),
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Kind.INSTANT: INSTANTS,
}
ATTRIBUTES = st.sampled_from(sorted(VERSIONS.attributes)).map(Field)
ENTRIES = st.builds(Field, st.sampled_from(sorted(VERSIONS.groups)), KEYS)


@st.composite
def terms(draw: st.DrawFn) -> Term:
    field = draw(ATTRIBUTES | ENTRIES)
    kind = VERSIONS.groups[field.name] if field.key else VERSIONS.attributes[field.name]
    operator = draw(st.sampled_from(OPERATORS[kind]))
    many = 3 if operator in {Operator.IN, Operator.NOT_IN} else 1
    values = draw(st.lists(VALUES[kind], min_size=1, max_size=many))
    if operator in {Operator.LIKE, Operator.ILIKE}:
        values = [str(values[0]).rstrip("\\")]
    return Term(field, operator, tuple(values))


ORDERS = st.lists(
    st.builds(
        Order,
        st.sampled_from(["name", "version", "created_at", "updated_at"]).map(Field)
        | st.builds(Field, st.just("metrics"), KEYS),
        st.booleans(),
    ),
    max_size=5,
    unique_by=lambda one: one.field,
)


def refusal(parse: Callable[[str], object], text: str) -> InvalidInput | None:
    try:
        parse(text)
    except InvalidInput as refused:
        return refused
    return None


def read(text: str) -> tuple[Term, ...]:
    return query_text.parse_filter(text, VERSIONS)


@given(st.lists(terms(), max_size=5))
def test_a_filter_that_is_written_reads_back_as_the_same(found: list[Term]) -> None:
    assert read(query_text.filter_text(found)) == tuple(found)


@given(ORDERS)
def test_an_order_that_is_written_reads_back_as_the_same(found: list[Order]) -> None:
    assert query_text.parse_order([query_text.order_text(found)], VERSIONS) == tuple(found)


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            ["tags.", "name", "`a b`", '"x"', "'y'", "'", "=", "!=", "LIKE", "IN", "NOT", "(", ")",
             ",", "AND", "metrics.f1", "1", "-.5e3", "1e999", "'2026-01-01'", " ", "\x00", "\ud800",
             "created_at", "version", ">", "\\", "%"]
        )
    ).map("".join)
)  # fmt: skip
def test_whatever_is_typed_is_read_or_refused_with_a_reason(text: str) -> None:
    for parse in (read, lambda one: query_text.parse_order([one], MODELS)):
        outcome = refusal(parse, text)
        assert outcome is None or outcome.fix


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ()),
        ("  \n", ()),
        ("name = 'x'", (Term(Field("name"), Operator.EQUAL, ("x",)),)),
        ("attributes.name='x'", (Term(Field("name"), Operator.EQUAL, ("x",)),)),
        ('name = "it\'s"', (Term(Field("name"), Operator.EQUAL, ("it's",)),)),
        ("tags.team = 'it''s'", (Term(Field("tags", "team"), Operator.EQUAL, ("it's",)),)),
        ("tag.a.b = 'c'", (Term(Field("tags", "a.b"), Operator.EQUAL, ("c",)),)),
        ("tags.\"a b\" != 'c'", (Term(Field("tags", "a b"), Operator.UNEQUAL, ("c",)),)),
        ("tags.`a``b` = 'c'", (Term(Field("tags", "a`b"), Operator.EQUAL, ("c",)),)),
        ("metrics.f1>=-.5e-1", (Term(Field("metrics", "f1"), Operator.AT_LEAST, (-0.05,)),)),
        ("version_number IN", None),
        ("version_number = 7", (Term(Field("version"), Operator.EQUAL, (7,)),)),
        ("run_id not  in ('a','b')", (Term(Field("run_id"), Operator.NOT_IN, ("a", "b")),)),
        (
            "created_at > '2026-01-01' AND parameters.lr ilike '1%'",
            (
                Term(Field("created_at"), Operator.GREATER, (datetime(2026, 1, 1, tzinfo=UTC),)),
                Term(Field("params", "lr"), Operator.ILIKE, ("1%",)),
            ),
        ),
        (
            "updated_at < '2026-01-01T02:00:00+02:00'",
            (Term(Field("updated_at"), Operator.LESS, (datetime(2026, 1, 1, tzinfo=UTC),)),),
        ),
    ],
)
def test_filters_read_as_mlflow_users_expect(text: str, wanted: tuple[Term, ...] | None) -> None:
    if wanted is None:
        with pytest.raises(InvalidInput):
            read(text)
    else:
        assert read(text) == wanted


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("name == 'x'", 6, "use one of =, !="),
        ("name = x", 8, "quote it"),
        ("name = 'x", 8, "quote it"),
        ("nome = 'x'", 1, "use one of name,"),
        ("name = 'a' OR name = 'b'", 12, "IN ('a', 'b')"),
        ("name = 'a' AND", 15, "use one of name,"),
        ("(name = 'a')", 1, "use one of name,"),
        ("metrics.f1 > '1'", 14, "without quotes"),
        ("metrics.f1 > 1e999", 14, "1.8e308"),
        ("metrics.f1 LIKE '1'", 12, "use one of =, !=, <"),
        ("version > 1.5", 11, "such as 7"),
        (f"version > {2**63}", 11, "such as 7"),
        ("tags.team = 5", 13, "quote it"),
        ("tags = 'x'", 1, "tags.<key>"),
        ("tags. = 'x'", 6, "`my key`"),
        ("created_at > 'soon'", 14, "2026-01-31"),
        ("created_at > '0001-01-01T00:00:00+14:00'", 14, "2026-01-31"),
        ("name IN ()", 10, "quote it"),
        ("name IN ('a'", 13, "IN ('a', 'b')"),
        ("name LIKE 'a\\'", 15, "backslash"),
        ("name = '\x00'", 9, "leave it out"),
        ("name = '\ud800'", 9, "leave it out"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place_and_the_fix(
    text: str, column: int, hint: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(text)
    assert f"filter, column {column} at" in refused.value.detail
    assert hint in refused.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "tags.k = '" + "x" * 4000 + "'",
        " AND ".join(["name = 'x'"] * 21),
        "name IN (" + ",".join(["'x'"] * 101) + ")",
        f"tags.{'k' * 251} = 'x'",
        "version = " + "9" * 3900,
    ],
)
def test_what_is_too_much_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read(text)


@pytest.mark.parametrize(
    "texts",
    [["description"], ["name,"], [",name"], ["name DOWN"], ["name", "name DESC"], ["metrics"],
     ["tags.k"], ["name ASC version"],
     ["name, version, created_at, metrics.a, metrics.b, metrics.c"]],
)  # fmt: skip
def test_orders_that_make_no_sense_are_refused(texts: list[str]) -> None:
    with pytest.raises(InvalidInput, match="order"):
        query_text.parse_order(texts, VERSIONS)


@given(
    st.text(st.sampled_from(r"%_\ab*?[]^-é"), max_size=8).filter(like.is_complete),
    st.text(st.sampled_from(r"%_\ab*?[]^-é"), max_size=8),
)
def test_a_pattern_as_glob_matches_what_like_matches(pattern: str, text: str) -> None:
    assert bool(glob_form(like.glob(pattern)).fullmatch(text)) == bool(
        like_form(pattern).fullmatch(text)
    )
    if like_form(pattern).fullmatch(text):
        assert text.startswith(like.prefix(pattern))


def like_form(pattern: str) -> re.Pattern[str]:
    found, at = "", 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
            found += re.escape(pattern[at])
        else:
            found += {"%": ".*", "_": "."}.get(pattern[at], re.escape(pattern[at]))
        at += 1
    return re.compile(found, re.DOTALL)


def glob_form(pattern: str) -> re.Pattern[str]:
    found = re.sub(
        r"\[(.)\]|(.)",
        lambda sign: re.escape(sign[1]) if sign[1] else {"*": ".*", "?": "."}.get(
            sign[2], re.escape(sign[2])
        ),
        pattern,
        flags=re.DOTALL,
    )  # fmt: skip
    return re.compile(found, re.DOTALL)
