"""What every driver's real proxy does with a share of a model's traffic."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconciler.core.observed import HeaderMatch, Match, Route, Share, Sticky, StickyBy
from reconciler.engines import ingress, wire
from tests.engines import fronts
from tests.engines.fronts import MODEL, Front, Instance

KINDS: dict[str, fronts.Kind] = {"traefik": fronts.Traefik(), "haproxy": fronts.HAProxy()}
COPYING = [name for name, kind in KINDS.items() if not kind.driver.obstacles(Share("x", mirror=1))]
COOKIE = Sticky(StickyBy.COOKIE, "experiment")


@pytest.fixture(scope="module", params=KINDS)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    folder: Path = tmp_path_factory.mktemp("front")
    with fronts.running(KINDS[request.param], folder) as front:
        yield front


@pytest.fixture
def front(running: Front) -> Iterator[Front]:
    yield running
    for instance in running.instances:
        instance.holding.set()


@pytest.fixture
def stable(front: Front) -> Instance:
    return front.instance(f"stable-{len(front.instances)}")


@pytest.fixture
def candidate(front: Front) -> Instance:
    return front.instance(f"candidate-{len(front.instances)}")


def _route(stable: Instance, candidate: Instance | None = None, **share: object) -> Route:
    if candidate is None:
        return Route(MODEL, "production/digits", stable.name)
    found = Share(candidate.name, **share)  # type: ignore[arg-type]
    return Route(MODEL, "production/digits", stable.name, found)


def test_a_candidate_gets_its_share_as_it_grows_and_all_at_the_end(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    front.tell(_route(stable))
    assert front.answers(20) == {stable.name: 20}
    for weight in (10, 50, 90):
        front.tell(_route(stable, candidate, weight=weight))
        found = front.answers(300)
        assert found.total() == found[stable.name] + found[candidate.name]
        # Six standard deviations of a coin as unfair as that, at the least.
        assert abs(found[candidate.name] - 3 * weight) < 54, found
    front.tell(_route(candidate))
    assert front.answers(20) == {candidate.name: 20}


def test_a_share_of_nothing_is_nothing(front: Front, stable: Instance, candidate: Instance) -> None:
    front.tell(_route(stable, candidate, sticky=COOKIE))
    assert front.answers(50) == {stable.name: 50}
    assert "set-cookie" not in front.ask().headers
    assert candidate.seen == []


@pytest.mark.parametrize("which", ["stable", "candidate"])
def test_no_client_is_lost_with_either_of_the_two(
    front: Front, stable: Instance, candidate: Instance, which: str
) -> None:
    """Killed in the middle of requests, and gone afterwards."""
    victim, other = (stable, candidate) if which == "stable" else (candidate, stable)
    front.tell(_route(stable, candidate, weight=30))
    victim.seen.clear()
    victim.holding.clear()
    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(front.ask) for _ in range(40)]
        assert wire.until(lambda: len(victim.seen) > 0, timeout=60)
        victim.rude = True
        victim.holding.set()
        assert [one.result().status for one in asked] == [200] * 40
    victim.kill()
    other.seen.clear()
    bodies = [b'{"instances": [%d]}' % number for number in range(40)]
    assert {front.ask(body=body).headers["answered-by"] for body in bodies} == {other.name}
    assert other.seen == bodies
    other.kill()
    assert set(front.answers(3)) <= {"status 502", "status 503"}


def test_no_client_is_lost_while_one_of_the_two_takes_no_connection(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    """As the packets of a container are lost that is just being removed."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        address = full.getsockname()
        for _ in range(2):
            link = waiting.enter_context(socket.socket())
            link.setblocking(False)
            link.connect_ex(address)
        lost = {candidate.name: f"http://127.0.0.1:{address[1]}"}
        front.tell(_route(stable, candidate, weight=50), others=lost)
        assert front.answers(2) == {stable.name: 2}


@pytest.mark.parametrize("running", COPYING, indirect=True)
def test_an_instance_that_gets_copies_alone_never_answers_a_client(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    front.tell(_route(stable, candidate, mirror=100))
    stable.kill()
    assert front.answers(10) == {"status 502": 10}


@pytest.mark.parametrize(
    ("match", "value", "sent", "others"),
    [
        (Match.EXACT, "beta", "beta", ["Beta", "betas", ""]),
        (Match.EXACT, 'a "b" `c` \\d', 'a "b" `c` \\d', ["a b c d", "a"]),
        (Match.PREFIX, "eu-(1)", "eu-(1)x", ["eu-1", "xeu-(1)"]),
        (Match.REGEX, "a|b.*", "bcd", ["xbcd", "ac"]),
    ],
)
def test_a_request_with_the_header_goes_to_the_candidate(
    front: Front, match: Match, value: str, sent: str, others: list[str]
) -> None:
    stable, candidate = (front.instance(f"{n}-{len(front.instances)}") for n in ("one", "two"))
    headers = (HeaderMatch("X-Group", match, value), HeaderMatch("x-also", Match.EXACT, "1"))
    front.tell(_route(stable, candidate, headers=headers))
    assert front.answers(10, {"x-group": sent, "x-also": "1"}) == {candidate.name: 10}
    for other in others:
        assert front.answers(3, {"x-group": other, "x-also": "1"}) == {stable.name: 3}
    assert front.answers(3, {"x-group": sent}) == {stable.name: 3}
    assert front.answers(3) == {stable.name: 3}
    candidate.kill()
    assert front.answers(10, {"x-group": sent, "x-also": "1"}) == {stable.name: 10}


@pytest.mark.parametrize("running", COPYING, indirect=True)
def test_copies_go_to_the_candidate_and_its_hanging_holds_up_nobody(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    candidate.holding.clear()
    front.tell(_route(stable, candidate, mirror=50))
    candidate.seen.clear()
    bodies = [b'{"instances": [%d]}' % number for number in range(100)]
    for body in bodies:
        assert front.ask(body=body).headers["answered-by"] == stable.name
    assert wire.until(lambda: len(candidate.seen) >= 50, timeout=60)
    assert len(candidate.seen) <= 52
    assert set(candidate.seen) <= {*bodies, b""}


def test_a_growing_share_moves_nobody_back(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    """By cookie nobody is moved at all: who came while it was small stays where it was sent."""
    homes: dict[str, str] = {}
    for weight in (10, 50, 90):
        front.tell(_route(stable, candidate, weight=weight, sticky=COOKIE))
        for cookie, home in homes.items():
            assert front.answers(1, {"cookie": cookie}) == {home: 1}
        for _ in range(20):
            found = front.ask().headers
            cookie = found["set-cookie"].partition(";")[0]
            assert homes.setdefault(cookie, found["answered-by"]) == found["answered-by"]
    assert set(homes.values()) == {stable.name, candidate.name}
    front.tell(_route(stable))
    assert {who for one in homes for who in front.answers(1, {"cookie": one})} == {stable.name}


@pytest.mark.parametrize("running", ["haproxy"], indirect=True)
def test_a_header_tells_users_apart_and_a_growing_share_moves_none_of_them_back(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    """By hash there is nothing to remember: the same user is sent the same way by any host."""
    by_user = Sticky(StickyBy.HEADER, "x-user")
    users = [f"user-{number}" for number in range(100)]
    before: set[str] = set()
    for weight, least, most in ((10, 1, 28), (50, 20, 80), (90, 72, 99), (100, 100, 100)):
        front.tell(_route(stable, candidate, weight=weight, sticky=by_user))
        now = {user for user in users if front.answers(1, {"x-user": user})[candidate.name]}
        assert before <= now
        assert least <= len(now) <= most
        before = now
        if weight < 100:
            assert front.answers(5) == {stable.name: 5}, "nobody knows whose these are"
    candidate.kill()
    assert front.answers(5, {"x-user": "user-1"}) == {stable.name: 5}


def test_a_request_that_its_only_instance_died_over_is_asked_of_it_again(
    front: Front, stable: Instance
) -> None:
    """It is there again under the same name; what both got is the whole request."""
    front.tell(_route(stable))
    assert front.ask().status == 200
    stable.seen.clear()
    stable.lost = 2
    body = b'{"instances": [%s]}' % (b"1, " * 3000 + b"1")
    answer = front.ask(body=body)
    assert (answer.status, answer.headers["answered-by"]) == (200, stable.name)
    assert stable.seen == [body] * 3


def test_a_model_that_fails_is_not_asked_for_long(front: Front, stable: Instance) -> None:
    front.tell(_route(stable))
    stable.seen.clear()
    stable.status = 500
    assert front.ask().status == 500
    assert len(stable.seen) <= 2


def test_a_large_request_passes_while_traffic_is_shared(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    mirror = 50 if front.kind in [KINDS[name] for name in COPYING] else 0
    front.tell(_route(stable, candidate, weight=50, mirror=mirror))
    large = b"x" * 3_000_000
    assert [front.ask(body=large).status for _ in range(4)] == [200] * 4
    assert large in stable.seen
    assert large in candidate.seen


def test_what_an_instance_says_of_shares_is_not_believed(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    stable.claims = candidate.claims = {ingress.SHARE_HEADER: "0123456789abcdef"}
    route = _route(stable, candidate, weight=50)
    front.tell(route)
    found = {front.ask().headers[ingress.SHARE_HEADER] for _ in range(10)}
    assert found == {ingress.mark(route)}


def test_models_are_shared_apart_from_each_other(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    other = Route("digits2", "production/digits2", stable.name)
    front.tell(_route(stable, candidate, weight=100), other)
    assert front.ask(model="digits").headers["answered-by"] == candidate.name
    assert front.ask(model="digits2").headers["answered-by"] == stable.name


def test_both_are_previewed_while_they_share(
    front: Front, stable: Instance, candidate: Instance
) -> None:
    front.tell(_route(stable, candidate, weight=50))
    routing = ingress.Routing(fronts.SECRET)
    for one in (stable, candidate):
        url = f"http://127.0.0.1:{front.preview}/livez"
        answer = wire.ask(url, headers=ingress.headers(routing, one.name), timeout=60)
        assert answer.headers["answered-by"] == one.name
