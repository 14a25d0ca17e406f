"""Asking a Prometheus: every form of its answers, and all that a bad one can do."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from reconciler import measuring
from reconciler.config import Source
from reconciler.core.kinds.analysis import Metric
from reconciler.core.measurements import Found, Measurement, NotEnough, Trouble
from registry.core import reading
from tests.reconciler.measuring.service import Service, context, serving

QUERY = 'rate(errors{model="{{args.model}}"}[1m])'


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as found:
        yield found


def measured(
    service: Service, *, samples: str | None = None, source: Source | None = None, **change: Any
) -> Measurement:
    asked = {"address": service.url, "query": QUERY, **change}
    if samples is not None:
        asked["samples"] = samples
    document = {"name": "errors", "provider": {"prometheus": asked}}
    known = source or Source(service.url)
    return measuring.measure(
        reading.part(document, Metric, what="metric"),
        context(service, args={"model": 'a"b'}, prometheus=(known,)),
    )


def answer(service: Service, document: Any, status: int = 200) -> None:
    service.answers["/api/v1/query"] = status, json.dumps(document).encode()


def vector(*values: str) -> dict[str, Any]:
    result = [{"metric": {"n": str(n)}, "value": [1.5, value]} for n, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_a_vector_is_a_list_of_numbers_and_the_query_has_its_argument_in_quotes(
    service: Service,
) -> None:
    answer(service, vector("0.25", "1e-3"))
    assert measured(service) == Found([0.25, 0.001])
    method, path, body, headers = service.asked[0]
    assert (method, path) == ("POST", "/api/v1/query")
    assert parse_qs(body.decode())["query"] == [r'rate(errors{model="a\"b"}[1m])']
    assert "authorization" not in headers


def test_a_scalar_is_one_number(service: Service) -> None:
    answer(service, {"status": "success", "data": {"resultType": "scalar", "result": [1, "7"]}})
    assert measured(service) == Found(7.0)


def test_no_series_is_not_enough_to_judge(service: Service) -> None:
    answer(service, vector())
    assert measured(service) == NotEnough("the query finds no series", None)


def test_nan_is_not_enough_to_judge(service: Service) -> None:
    answer(service, vector("NaN"))
    found = measured(service)
    assert isinstance(found, NotEnough)
    assert "0/0" in found.reason


def test_infinity_is_left_to_the_judge_who_calls_it_an_error(service: Service) -> None:
    answer(service, vector("+Inf"))
    assert measured(service) == Found([math.inf])


def test_samples_are_summed_up_over_all_series(service: Service) -> None:
    answer(service, vector("20.7", "5", "NaN"))
    found = measured(service, samples="sum(x)")
    assert isinstance(found, NotEnough)
    assert found.samples == 25


@pytest.mark.parametrize(
    ("status", "document", "why"),
    [
        (200, {"status": "success", "data": {"resultType": "matrix", "result": []}}, "a matrix"),
        (400, {"status": "error", "errorType": "bad_data", "error": "1:2: parse error"}, "parse"),
        (503, {"status": "error", "errorType": "timeout", "error": "timed out"}, "status 503"),
        (200, {**vector("1"), "warnings": ["remote read failed"]}, "remote read failed"),
        (200, vector("many"), "has a value"),
        (200, vector(*["1"] * 1001), "at most 1000"),
        (200, {"status": "success"}, "'data' must be an object"),
        (
            200,
            {
                "status": "success",
                "data": {"resultType": "vector", "result": [{"metric": {}, "histogram": [1]}]},
            },
            "'value' must be a list",
        ),
        (200, [], "must be a JSON object"),
        (401, {}, "see its token_file"),
    ],
)
def test_any_other_answer_is_trouble_in_its_own_words(
    service: Service, status: int, document: Any, why: str
) -> None:
    answer(service, document, status)
    found = measured(service)
    assert isinstance(found, Trouble)
    assert why in found.reason


def test_an_answer_that_is_too_long_is_given_up(service: Service) -> None:
    service.answers["/api/v1/query"] = 200, b" " * (2 << 20)
    found = measured(service)
    assert isinstance(found, Trouble)
    assert "more than 1048576 bytes" in found.reason


def test_what_cannot_be_reached_is_trouble(service: Service) -> None:
    found = measured(service, address="http://127.0.0.1:9", source=Source("http://127.0.0.1:9/"))
    assert isinstance(found, Trouble)
    assert "does not answer" in found.reason


def test_an_address_that_the_configuration_does_not_have_is_not_asked(service: Service) -> None:
    answer(service, vector("1"))
    found = measured(service, source=Source("http://prometheus.example:9090"))
    assert isinstance(found, Trouble)
    assert "may ask" in found.reason
    assert service.asked == []


def test_a_token_goes_to_its_own_address(service: Service, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    answer(service, vector("1"))
    measured(service, source=Source(service.url, token_file=tmp_path / "token"))
    assert service.asked[0][3]["authorization"] == "Bearer secret"
    found = measured(service, source=Source(service.url, token_file=tmp_path / "none"))
    assert isinstance(found, Trouble)
    assert "none cannot be read" in found.reason


@pytest.mark.parametrize("token", ["sec ret", "sec\nret", "", "sec\x00ret"])
def test_what_is_no_token_is_not_sent_and_not_quoted(
    service: Service, tmp_path: Path, token: str
) -> None:
    (tmp_path / "token").write_text(token)
    found = measured(service, source=Source(service.url, token_file=tmp_path / "token"))
    assert isinstance(found, Trouble)
    assert found.reason == f"{tmp_path}/token holds no token"
    assert service.asked == []


def test_a_redirect_is_not_followed_and_takes_no_token_along(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret")
    service.answers["/api/v1/query"] = 302, b""
    with serving() as other:
        service.headers["location"] = f"{other.url}/api/v1/query"
        found = measured(service, source=Source(service.url, token_file=tmp_path / "token"))
        assert isinstance(found, Trouble)
        assert other.asked == []
