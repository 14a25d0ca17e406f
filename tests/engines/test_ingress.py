"""What every driver of a proxy promises of its document, asked without the proxy."""

import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.observed import HeaderMatch, Match, Route, Share, Sticky, StickyBy
from reconciler.engines import haproxy, ingress, traefik
from reconciler.engines.ingress import Driver, Routing

SECRET = "0123456789abcdef" * 2
DIGITS = Route("digits", "production/digits", "plimsoll-edge-1-production-digits-aaaa")
NAMES = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,3}", fullmatch=True)
INSTANCES = st.integers(0, 99).map("plimsoll-i.{}-x".format)
PERCENT = st.integers(0, 100)
TOKENS = st.text("abcXYZ-_.`|!09", min_size=1, max_size=8)
HEADERS = st.builds(
    HeaderMatch,
    TOKENS,
    st.sampled_from(Match),
    st.text('abé\U0001f600"`\\^$.*+?()[]|{} \t\n\0', max_size=6),
)
SHARES = st.builds(
    Share,
    INSTANCES,
    PERCENT,
    PERCENT,
    st.lists(HEADERS, max_size=2).map(tuple),
    st.none() | st.builds(Sticky, st.just(StickyBy.COOKIE), TOKENS),
)
ROUTES = st.lists(
    st.builds(Route, NAMES, st.builds("{}/{}".format, NAMES, NAMES), INSTANCES, st.none() | SHARES),
    unique_by=lambda route: route.model,
    max_size=3,
).map(lambda routes: tuple(sorted(routes, key=lambda route: route.model)))
DRIVERS: list[Driver] = [traefik, haproxy]
each_driver = pytest.mark.parametrize("driver", DRIVERS)


def _http(routing: Routing, *instances: str) -> dict[str, Any]:
    document = traefik.render(routing, {name: f"http://{name}:8501" for name in instances})
    http: dict[str, Any] = json.loads(document)["http"]
    return http


@each_driver
@given(ROUTES, st.lists(INSTANCES), st.booleans())
def test_what_is_rendered_is_read_back(
    driver: Driver, routes: tuple[Route, ...], instances: list[str], has_grpc: bool
) -> None:
    routing = Routing(SECRET, routes)
    upstreams = {name: f"http://{name}:8501" for name in instances}
    grpc = {name: f"h2c://{name}:8500" for name in instances} if has_grpc else None
    assert driver.parse(driver.render(routing, upstreams, grpc)) == routing


@given(NAMES, NAMES)
def test_a_rule_matches_its_own_model_only(model: str, other: str) -> None:
    http = _http(Routing(SECRET, (Route(model, "p/x", "i"),)), "i")
    pattern = re.fullmatch(r"PathRegexp\(`(.*)`\)", http["routers"][f"route-{model}"]["rule"])
    assert pattern
    assert re.search(pattern[1], f"/v1/models/{model}:predict")
    assert re.search(pattern[1], f"/v2/models/{model}/infer")
    assert bool(re.search(pattern[1], f"/v1/models/{other}")) is (model == other)
    assert not re.search(pattern[1], f"/x/v1/models/{model}")


def test_what_nobody_shares_is_written_to_the_byte_as_on_hosts_that_run() -> None:
    """Another byte would be drift on every host that runs."""
    routing = Routing(SECRET, (DIGITS, Route("my.words", "p/w", "plimsoll-w")))
    upstreams = {DIGITS.instance: "http://i-1:8501", "plimsoll-c": "http://i-2:8501"}
    grpc = {name: url.replace("http", "h2c") for name, url in upstreams.items()}
    plain = hashlib.sha256(traefik.render(routing, upstreams)).hexdigest()
    assert plain == "abd5e77f968955a54ae8f8004b23cf69ce3b81c6a7634f4f380c2e0f632014a2"
    spoken = hashlib.sha256(traefik.render(routing, upstreams, grpc)).hexdigest()
    assert spoken == "f79565bf54d38f8877808ee48333e73a445e1d3ccc20b3832da4aa4fc35340f8"


@given(ROUTES)
def test_every_service_that_is_named_is_there(routes: tuple[Route, ...]) -> None:
    """Traefik drops a router whose service is missing, and says so in its log alone."""
    http = json.loads(traefik.render(Routing(SECRET, routes), {}, {}))["http"]
    services = http.get("services", {})
    named = {router["service"] for router in http["routers"].values()}
    for service in services.values():
        [(kind, body)] = service.items()
        match kind:
            case "weighted":
                named |= {one["name"] for one in body["services"]}
            case "mirroring":
                named |= {body["service"], *(one["name"] for one in body["mirrors"])}
            case "failover":
                named |= {body["service"], body["fallback"]}
            case "loadBalancer":
                assert body["serversTransport"] in http["serversTransports"]
    assert named - {"ping@internal"} <= set(services)


def test_clients_get_to_routed_instances_only() -> None:
    http = _http(Routing(SECRET, (DIGITS,)), DIGITS.instance, "candidate")
    fronts = [r for r in http["routers"].values() if r["entryPoints"] == ["front"]]
    assert {router["service"] for router in fronts} == {DIGITS.instance}


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


def test_who_has_a_share_is_in_use() -> None:
    routing = Routing(SECRET, (Route("digits", "p/d", "one", Share("two", mirror=1)),))
    assert [routing.uses(name) for name in ("one", "two", "three")] == [True, True, False]


def test_each_share_has_a_mark_of_its_own() -> None:
    """By it the new routes are told from those that the ingress still goes by."""
    shares = [None, Share("b"), Share("b", 10), Share("b", 11), Share("b", 10, 5), Share("c", 10)]
    routes = [Route("digits", "p/d", "a", share) for share in shares]
    said = [
        {name.lower(): value for name, value in ingress.signature(route).items()}
        for route in routes
    ]
    for number, route in enumerate(routes):
        found = [ingress.answers_for(route, headers) for headers in said]
        assert found == [other == number for other in range(len(routes))]
    assert ingress.answers_for(None, {})
    assert not any(ingress.answers_for(None, headers) for headers in said)


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
@each_driver
def test_what_is_not_ours_is_nothing(driver: Driver, spoiled: bytes) -> None:
    assert driver.parse(spoiled) is None


def test_clients_can_be_told_from_each_other_by_a_cookie_alone() -> None:
    by_cookie, by_header = (Share("b", 10, sticky=Sticky(by, "x-user")) for by in StickyBy)
    assert traefik.obstacles(by_cookie) == []
    assert traefik.obstacles(by_header) == [
        "Traefik tells clients by a cookie, not by the header x-user"
    ]


def test_another_hand_in_the_configuration_of_haproxy_makes_it_nobodys() -> None:
    document = haproxy.render(Routing(SECRET, (DIGITS,)), {DIGITS.instance: "http://10.0.0.1:1"})
    assert haproxy.parse(document) == Routing(SECRET, (DIGITS,))
    assert haproxy.parse(document.replace(b"10.0.0.1", b"10.0.0.2")) is None
    assert haproxy.parse(document + b"listen mine\n") is None


def test_no_value_leaves_its_word_in_the_configuration_of_haproxy() -> None:
    hostile = "a b'\"\\\n    http-request deny #$PATH é"
    share = Share("two", 10, headers=(HeaderMatch("x-group", Match.EXACT, hostile),))
    document = haproxy.render(Routing(SECRET, (Route("m", "p/m", "one", share),)), {})
    lines = document.decode().splitlines()[1:]
    written = "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte == 45 else f"\\x{byte:02x}"
        for byte in hostile.encode()
    )
    told = [line for line in lines if "deny" in line]
    assert told == [f"    use-server two if {{ req.fhdr(x-group) -m str -- {written} }}"]


def test_haproxy_says_what_it_cannot_do() -> None:
    odd = HeaderMatch("x|y", Match.EXACT, "\0")
    assert haproxy.obstacles(Share("b", 10, sticky=Sticky(StickyBy.HEADER, "x-user"))) == []
    assert haproxy.obstacles(Share("b", mirror=1, headers=(odd,))) == [
        "HAProxy copies no requests",
        "HAProxy takes no name like 'x|y'",
        "no header has a value with a zero byte",
    ]


def test_a_share_of_which_a_part_is_missing_is_nothing() -> None:
    shared = Route("digits", "p/d", "one", Share("two", 10))
    whole = json.loads(traefik.render(Routing(SECRET, (shared,)), {}))
    del whole["http"]["services"]["split-digits"]
    assert traefik.parse(json.dumps(whole).encode()) is None
