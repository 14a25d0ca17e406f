"""Routes to Traefik's document and back, without Traefik."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.observed import Route
from reconciler.engines import ingress
from reconciler.engines.ingress import Routing

SECRET = "0123456789abcdef" * 2
DIGITS = Route("digits", "production/digits", "plimsoll-edge-1-production-digits-aaaa")
NAMES = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,3}", fullmatch=True)
ROUTES = st.lists(
    st.builds(Route, NAMES, st.builds("{}/{}".format, NAMES, NAMES), NAMES),
    unique_by=lambda route: route.model,
).map(lambda routes: tuple(sorted(routes, key=lambda route: route.model)))


def _http(routing: Routing, *instances: str) -> dict[str, Any]:
    document = ingress.render(routing, {name: f"http://{name}:8501" for name in instances})
    http: dict[str, Any] = json.loads(document)["http"]
    return http


@given(ROUTES, st.lists(NAMES))
def test_what_is_rendered_is_read_back(routes: tuple[Route, ...], instances: list[str]) -> None:
    routing = Routing(SECRET, routes)
    upstreams = {name: f"http://{name}" for name in instances}
    assert ingress.parse(ingress.render(routing, upstreams)) == routing


@given(NAMES, NAMES)
def test_a_rule_matches_its_own_model_only(model: str, other: str) -> None:
    http = _http(Routing(SECRET, (Route(model, "p/x", "i"),)), "i")
    pattern = re.fullmatch(r"PathRegexp\(`(.*)`\)", http["routers"][f"route-{model}"]["rule"])
    assert pattern
    assert re.search(pattern[1], f"/v1/models/{model}:predict")
    assert re.search(pattern[1], f"/v2/models/{model}/infer")
    assert bool(re.search(pattern[1], f"/v1/models/{other}")) is (model == other)
    assert not re.search(pattern[1], f"/x/v1/models/{model}")


def test_clients_get_to_routed_instances_only() -> None:
    http = _http(Routing(SECRET, (DIGITS,)), DIGITS.instance, "candidate")
    fronts = [r for r in http["routers"].values() if r["entryPoints"] == ["front"]]
    assert [router["service"] for router in fronts] == [DIGITS.instance]


def test_every_preview_needs_the_secret() -> None:
    http = _http(Routing(SECRET, (DIGITS,)), DIGITS.instance, "candidate")
    previews = [r for r in http["routers"].values() if r["entryPoints"] == ["preview"]]
    assert len(previews) == 3
    assert all(f"Header(`plimsoll-preview`, `{SECRET}`) && " in r["rule"] for r in previews)


def test_a_route_to_a_vanished_instance_is_kept() -> None:
    """Dropping it would turn its 502 into a 404, and lose where traffic is meant to go."""
    http = _http(Routing(SECRET, (DIGITS,)))
    assert DIGITS.instance in http["services"]


def test_a_model_has_one_route() -> None:
    other = Route("digits", "staging/digits", "other")
    words = Route("words", "production/words", "words-1")
    routing = Routing(SECRET).with_route(words).with_route(DIGITS).with_route(other)
    assert routing.routes == (other, words)
    assert routing.without("words").routes == (other,)


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"http: [",
        b"[]",
        b'{"http": 1}',
        b'{"http": {"routers": {}, "middlewares": {}}}',
        b'{"http": {"routers": {"ping": {"rule": "Path(`/`)"}}, "middlewares": {}}}',
        b'{"http": {"routers": {"ping": {"rule": 1}}, "middlewares": {}}}',
        b"\xff\xfe",
    ],
)
def test_what_is_not_ours_is_nothing(spoiled: bytes) -> None:
    assert ingress.parse(spoiled) is None
