"""Arguments in queries, addresses and bodies: whatever they hold, they stay one value."""

import json
import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import substitution
from registry.errors import InvalidInput

PRINTABLE = st.text().filter(str.isprintable)


def test_a_value_in_quotes_cannot_leave_them() -> None:
    query = 'rate(errors{model="{{args.model}}"}[1m])'
    found = substitution.into_query(query, {"model": '"} or vector(0) #'})
    assert found == r'rate(errors{model="\"} or vector(0) #"}[1m])'


def test_a_value_behind_a_regular_expression_is_no_regular_expression() -> None:
    found = substitution.into_query('up{job=~"{{ args.job }}|b.*"}', {"job": ".*"})
    assert found == r'up{job=~"\\.\\*|b.*"}'


def test_outside_of_quotes_stand_only_numbers_and_durations() -> None:
    query = "rate(x[{{args.window}}]) > {{args.limit}}"
    good = substitution.into_query(query, {"window": "5m", "limit": "-0.5"})
    assert good == "rate(x[5m]) > -0.5"
    for bad in ("x or vector(1)", "5m])", "", "1e9", "NaN", "five"):
        with pytest.raises(InvalidInput, match="stands outside of quotes"):
            substitution.into_query(query, {"window": bad, "limit": "1"})


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("up{job=`{{args.job}}`}", "backticks"),
        ("up # {{args.job}}", "comment"),
        ('up{job="{{args.jib}}"}', "jib has no value"),
        ('up{job="{{ .job }}"}', "is no argument"),
        ('up{job="{{args.line}}"}', "cannot be printed"),
        ('up{job="a" "{{args.job}}', "outside of quotes"),
    ],
)
def test_where_nothing_can_be_escaped_nothing_is_put(query: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        substitution.into_query(query, {"job": "a b", "line": "a\nb"})


def test_a_hash_inside_of_quotes_begins_no_comment() -> None:
    assert substitution.into_query('x{a="#{{args.b}}"}', {"b": "c"}) == 'x{a="#c"}'


@given(PRINTABLE, st.sampled_from("\"'"))
def test_a_quoted_value_is_one_text_that_reads_as_what_was_put(value: str, quote: str) -> None:
    query = f"x{{a={quote}{{{{args.v}}}}{quote}}}"
    found = substitution.into_query(query, {"v": value})
    inside = re.fullmatch(rf"x\{{a={quote}((?:\\.|[^{quote}\\])*){quote}\}}", found)
    assert inside is not None
    assert re.sub(r"\\(.)", r"\1", inside[1]) == value


@given(st.text())
def test_a_value_in_an_address_stays_in_its_segment(value: str) -> None:
    if "\ud800" <= max(value, default="") <= "\udfff":
        return
    found = substitution.into_url("https://a.example/x/{{args.v}}/y?z={{args.v}}", {"v": value})
    segment, _, last = found.removeprefix("https://a.example/x/").partition("/y?z=")
    assert unquote(segment) == unquote(last) == value
    assert not set(segment) & set("/?#&@: ")


def test_a_value_in_a_body_stays_in_its_text() -> None:
    body = substitution.into_json({"a": ["{{args.v}}", 1], "b": None}, {"v": '", "admin": "1'})
    assert json.loads(json.dumps(body)) == {"a": ['", "admin": "1', 1], "b": None}
    assert list(substitution.names_within({"a": ["{{args.v}}", 1]})) == ["v"]


def test_a_value_is_never_looked_through_for_arguments_of_its_own() -> None:
    found = substitution.into_query('x{a="{{args.a}}"}', {"a": "{{args.b}}", "b": "secret"})
    assert found == 'x{a="{{args.b}}"}'
