"""A share of traffic on a real Docker Engine: given, kept, mended and taken back."""

import dataclasses
import time

import pytest

from reconciler.core.observed import Health, InstanceSpec, Route, Share
from reconciler.engines import archives, commands, traefik
from registry import errors
from tests.engines import load, rigs
from tests.engines.rigs import Docker, previewed, route_to, serve, start


def _shared(stable: InstanceSpec, candidate: InstanceSpec, weight: int) -> Route:
    return dataclasses.replace(route_to(stable), share=Share(candidate.name, weight=weight))


def test_a_share_is_given_and_kept_without_a_lost_request_whoever_is_killed(
    docker_rig: Docker,
) -> None:
    one, two = docker_rig.spec(1), docker_rig.spec(2)
    serve(docker_rig, one)
    start(docker_rig, two)
    engine, route = docker_rig.engine, _shared(one, two, 25)
    with load.running(engine.front().url) as clients:
        engine.route(route)
        assert engine.observe().routes == (route,)
        clients.answers.clear()
        clients.await_answers(200)
        answers = clients.answers
        assert 0.12 < answers["2"] / answers.total() < 0.38, answers
        docker_rig.kill(two)
        clients.await_answers(60)
        engine.restart(two.name)
        rigs.await_health(docker_rig, two, Health.HEALTHY)
        engine.route(_shared(one, two, 50))
        docker_rig.kill(one)
        clients.await_answers(60)
        engine.route(route_to(two))
        engine.remove(one.name)
        clients.await_answers(50)
    assert clients.failures == []


def test_a_share_is_a_route_like_any_other(docker_rig: Docker) -> None:
    """Told twice it writes once, who has one cannot be removed, and another's hand is seen."""
    one, two = docker_rig.spec(1), docker_rig.spec(2)
    serve(docker_rig, one)
    engine, route = docker_rig.engine, _shared(one, two, 10)
    with pytest.raises(errors.EngineRefused, match="is not on"):
        engine.route(route)
    start(docker_rig, two)
    engine.route(route)
    time.sleep(1.1)  # stamps of files are told apart by the second
    before = _stamp(docker_rig)
    engine.route(route)
    assert _stamp(docker_rig) == before
    assert previewed(docker_rig, two) == 2
    with pytest.raises(errors.EngineRefused, match="still gets traffic"):
        engine.remove(two.name)
    spoiled = archives.pack({traefik.FILE: _document(docker_rig).replace(b": 10", b": 90")})
    docker_rig.api.put_archive(_ingress(docker_rig), commands.ROUTES_FOLDER, spoiled)
    state = engine.observe()
    assert state.ingress_drift == "the routes of the ingress are not as they were written"
    assert state.routes == (_shared(one, two, 90),)
    engine.route(route)
    state = engine.observe()
    assert (state.routes, state.ingress_drift) == ((route,), "")


def _ingress(rig: Docker) -> str:
    return f"plimsoll-ingress-{rig.host}"


def _document(rig: Docker) -> bytes:
    path = f"{commands.ROUTES_FOLDER}/{traefik.FILE}"
    chunks, _ = rig.api.get_archive(_ingress(rig), path)
    return archives.first_file(chunks)


def _stamp(rig: Docker) -> object:
    path = f"{commands.ROUTES_FOLDER}/{traefik.FILE}"
    _, stamp = rig.api.get_archive(_ingress(rig), path)
    return stamp
