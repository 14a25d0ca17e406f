"""A host with HAProxy on a real Docker Engine: what its users ask of it, without a lost request."""

import dataclasses
import time
from collections.abc import Iterator

import pytest

from reconciler.core.observed import Health, InstanceSpec, Route, Share, Sticky, StickyBy
from reconciler.engines import archives, commands, haproxy, listing, wire
from reconciler.engines.docker import DockerEngine
from registry import errors
from tests.engines import load, rigs
from tests.engines.rigs import Docker, previewed, route_to, serve, served, start


@pytest.fixture
def rig(built_images: None) -> Iterator[Docker]:
    with rigs.docker_host(driver="haproxy") as found:
        yield found


def _by_user(stable: InstanceSpec, candidate: InstanceSpec, weight: int) -> Route:
    by_user = Sticky(StickyBy.HEADER, "x-user")
    return dataclasses.replace(
        route_to(stable), share=Share(candidate.name, weight=weight, sticky=by_user)
    )


def test_users_move_to_a_version_and_none_back_and_no_request_is_lost(rig: Docker) -> None:
    """The candidate is killed and comes back, the front reloads at each step, nobody notices."""
    one, two = rig.spec(1), rig.spec(2)
    serve(rig, one)
    start(rig, two)
    assert (served(rig), previewed(rig, two)) == (1, 2)
    engine, moved = rig.engine, set[int]()
    with load.running(engine.front().url) as clients:
        for weight in (20, 60):
            route = _by_user(one, two, weight)
            engine.route(route)
            assert engine.observe().routes == (route,)
            now = {user for user in range(40) if _version(rig, user) == 2}
            assert moved < now < set(range(40))
            moved = now
        rig.kill(two)
        assert {_version(rig, user) for user in moved} == {1}
        engine.restart(two.name)
        rigs.await_health(rig, two, Health.HEALTHY)
        engine.route(route_to(two))
        # What was under way, one more on each kept connection, and then another.
        clients.await_everybody(3)
        clients.answers.clear()
        engine.remove(one.name)
        clients.await_answers(50)
    assert clients.failures == []
    assert set(clients.answers) == {"2"}


def test_the_front_comes_back_with_its_routes_and_says_no_to_copies(rig: Docker) -> None:
    one, two = rig.spec(1), rig.spec(2)
    serve(rig, one)
    start(rig, two)
    copied = dataclasses.replace(route_to(one), share=Share(two.name, mirror=10))
    with pytest.raises(errors.EngineRefused, match="HAProxy copies no requests"):
        rig.engine.route(copied)
    before = _stamp(rig)
    time.sleep(1.1)  # stamps of files are told apart by the second
    rig.engine.route(route_to(one))
    assert _stamp(rig) == before
    rig.lose_ingress()
    assert not rig.engine.observe().ingress_ready
    rig.engine.route(route_to(one))
    state = rig.engine.observe()
    assert (state.routes, state.ingress_ready, state.ingress_drift) == ((route_to(one),), True, "")
    assert served(rig) == 1
    shared = _by_user(one, two, 60)
    _write_and_die(rig, shared)
    again = rig.reconnect()
    state = again.observe()
    assert (state.routes, state.ingress_drift) == (
        (shared,),
        "the ingress does not go by its routes yet",
    )
    again.route(shared)
    assert again.observe().ingress_drift == ""


def _version(rig: Docker, user: int) -> int:
    url = f"{rig.engine.front().url}/v1/models/digits:predict"
    headers = {"x-user": f"user-{user}"}
    answer = wire.ask(url, method="POST", headers=headers, body=b'{"instances": []}', timeout=60)
    return int(answer.headers["plimsoll-version"])


def _write_and_die(rig: Docker, route: Route) -> None:
    """As one who is killed after it wrote the routes, and before it told the proxy of them."""
    engine = rig.engine
    assert isinstance(engine, DockerEngine)
    known = engine._traffic.read()
    assert known is not None
    with engine._speaking("list runtimes") as api:
        upstreams = {
            listing.name(one): commands.upstream(listing.label(one, "spec"))
            for one in engine._runtimes(api)
        }
        document = engine._traffic._rendered(known.with_route(route), upstreams)
        packed = archives.pack_swapped(haproxy.FILE, document)
        api.put_archive(f"plimsoll-ingress-{rig.host}", commands.ROUTES_FOLDER, packed)


def _stamp(rig: Docker) -> object:
    path = f"{commands.ROUTES_FOLDER}/{haproxy.FILE}"
    _, stamp = rig.api.get_archive(f"plimsoll-ingress-{rig.host}", path)
    return stamp
