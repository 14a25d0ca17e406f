"""What every engine promises, asked of a simulated, an embedded and a real Docker host alike."""

import dataclasses
import threading

import pytest

from reconciler.core.observed import Health, Phase
from reconciler.core.usage import Usage
from reconciler.engines import wire
from registry import errors
from tests.engines import rigs
from tests.engines.rigs import Rig, previewed, route_to, seen, serve, served, start


def test_nothing_runs_on_a_new_host(rig: Rig) -> None:
    state = rig.engine.observe()
    assert (state.instances, state.routes, state.ingress_ready) == ((), (), False)


def test_a_started_instance_becomes_healthy_and_says_what_it_is(rig: Rig) -> None:
    spec = rig.spec()
    assert rig.engine.preflight(spec) == []
    rig.engine.start(spec, rig.launch)
    rigs.await_health(rig, spec, Health.HEALTHY)
    found = seen(rig, spec)
    assert found is not None
    wanted = {field: getattr(spec, field) for field in ("host", "deployment", "model", "version")}
    assert {field: getattr(found, field) for field in wanted} == wanted
    assert (found.digest, found.commit) == (spec.digest, spec.commit)
    assert found.spec_hash == spec.spec_hash
    assert found.phase is Phase.RUNNING
    assert rig.engine.observe().ingress_ready
    assert 1 << 20 < rig.engine.memory(spec.name) < 1 << 30
    has = rig.engine.resources()
    assert (has.memory_bytes or 0) > 1 << 28
    assert (has.cpus or 0) >= 1
    asked = has.used[spec.name]
    assert (asked.memory_limit, asked.cpu_limit) == (spec.memory_bytes, spec.cpus)
    held = has.together or asked
    assert 1 << 20 < (held.memory_bytes or 0) < 1 << 30
    assert 0 < (held.cpu_seconds or 0) < 600


def test_starting_twice_is_starting_once(rig: Rig) -> None:
    spec = rig.spec()
    start(rig, spec)
    rig.engine.start(spec, rig.launch)
    assert [one.name for one in rig.engine.observe().instances] == [spec.name]


def test_a_new_instance_is_previewed_before_any_client_reaches_it(rig: Rig) -> None:
    start(rig, rig.spec(1))
    assert served(rig) is None
    assert previewed(rig, rig.spec(1)) == 1
    rig.engine.route(route_to(rig.spec(1)))
    start(rig, rig.spec(2))
    assert served(rig) == 1
    assert previewed(rig, rig.spec(2)) == 2


def test_routing_takes_effect_before_it_returns(rig: Rig) -> None:
    one, two = rig.spec(1), rig.spec(2)
    serve(rig, one)
    start(rig, two)
    for spec in (two, one, two):
        rig.engine.route(route_to(spec))
        assert served(rig) == spec.version
        assert rig.engine.observe().routes == (route_to(spec),)


def test_routing_where_traffic_goes_already_is_quiet(rig: Rig) -> None:
    serve(rig, rig.spec())
    rig.engine.route(route_to(rig.spec()))
    assert served(rig) == 1


def test_the_old_version_runs_on_until_it_is_removed(rig: Rig) -> None:
    serve(rig, rig.spec(1))
    serve(rig, rig.spec(2))
    assert previewed(rig, rig.spec(1)) == 1
    rig.engine.remove(rig.spec(1).name)
    assert seen(rig, rig.spec(1)) is None
    assert served(rig) == 2


def test_what_gets_traffic_cannot_be_removed(rig: Rig) -> None:
    serve(rig, rig.spec())
    with pytest.raises(errors.EngineRefused, match="still gets traffic"):
        rig.engine.remove(rig.spec().name)
    assert served(rig) == 1


def test_removing_twice_is_removing_once(rig: Rig) -> None:
    start(rig, rig.spec())
    rig.engine.remove(rig.spec().name)
    rig.engine.remove(rig.spec().name)
    assert rig.engine.observe().instances == ()


def test_an_unrouted_model_answers_nobody_and_can_be_removed(rig: Rig) -> None:
    serve(rig, rig.spec())
    rig.engine.unroute("digits")
    rig.engine.unroute("digits")
    assert served(rig) is None
    assert rig.engine.observe().routes == ()
    rig.engine.remove(rig.spec().name)
    assert rig.engine.observe().instances == ()


def test_models_are_routed_apart_from_each_other(rig: Rig) -> None:
    serve(rig, rig.spec(1))
    serve(rig, rig.spec(2, model="digits2"))
    assert (served(rig, "digits"), served(rig, "digits2")) == (1, 2)
    rig.engine.unroute("digits")
    assert (served(rig, "digits"), served(rig, "digits2")) == (None, 2)


def test_a_killed_instance_is_seen_and_restarted(rig: Rig) -> None:
    spec = rig.spec()
    serve(rig, spec)
    rig.kill(spec)
    found = seen(rig, spec)
    assert found is not None
    assert (found.phase, found.health) == (Phase.EXITED, Health.NONE)
    with pytest.raises(errors.EngineRefused):
        rig.engine.memory(spec.name)
    has = rig.engine.resources()
    assert has.together is None
    assert has.used.get(spec.name, Usage()).memory_bytes is None
    rig.engine.restart(spec.name)
    rigs.await_health(rig, spec, Health.HEALTHY)
    rig.engine.restart(spec.name)
    assert rig.engine.observe().routes == (route_to(spec),)
    assert served(rig) == 1


def test_an_instance_that_is_renewed_serves_as_before(rig: Rig) -> None:
    spec = rig.spec()
    serve(rig, spec)
    rig.engine.renew(spec, rig.launch)
    rigs.await_health(rig, spec, Health.HEALTHY)
    assert served(rig) == 1
    assert rig.engine.observe().routes == (route_to(spec),)
    with pytest.raises(errors.EngineRefused):
        rig.engine.restart("plimsoll-nobody")


def test_a_crash_between_create_and_start_is_finished_by_starting_again(rig: Rig) -> None:
    spec = rig.spec()
    rig.crash_before_start(spec)
    found = seen(rig, spec)
    assert found is not None
    assert found.phase is Phase.CREATED
    with pytest.raises(errors.EngineRefused) as refused:
        rig.engine.restart(spec.name)
    assert refused.value.fix == "start it again from its spec"
    start(rig, spec)
    assert previewed(rig, spec) == 1


def test_what_never_started_can_be_removed(rig: Rig) -> None:
    rig.crash_before_start(rig.spec())
    rig.engine.remove(rig.spec().name)
    assert rig.engine.observe().instances == ()


def test_a_lost_ingress_is_noticed_and_routing_brings_it_back(rig: Rig) -> None:
    spec = rig.spec()
    serve(rig, spec)
    rig.lose_ingress()
    state = rig.engine.observe()
    assert not state.ingress_ready
    assert state.routes == (route_to(spec),)
    for instance in state.instances:
        if instance.phase is Phase.EXITED:
            rig.engine.restart(instance.name)
            rigs.await_health(rig, spec, Health.HEALTHY)
    rig.engine.route(route_to(spec))
    assert rig.engine.observe().ingress_ready
    assert served(rig) == 1


def test_a_bad_version_is_never_healthy_and_harms_no_other(rig: Rig) -> None:
    serve(rig, rig.spec(1))
    bad = rig.bad(2)
    rig.engine.start(bad, rig.launch)
    rigs.await_health(rig, bad, Health.STARTING, Health.UNHEALTHY, Health.REFUSED)
    assert served(rig) == 1
    rig.engine.remove(bad.name)
    assert [one.name for one in rig.engine.observe().instances] == [rig.spec(1).name]


def test_only_what_runs_can_get_traffic(rig: Rig) -> None:
    spec = rig.spec()
    with pytest.raises(errors.EngineRefused, match="is not on"):
        rig.engine.route(route_to(spec))
    rig.crash_before_start(spec)
    with pytest.raises(errors.EngineRefused, match="is not running"):
        rig.engine.route(route_to(spec))


def test_more_memory_than_there_is_fails_preflight(rig: Rig) -> None:
    spec = dataclasses.replace(rig.spec(), memory_bytes=1 << 50)
    reasons = rig.engine.preflight(spec)
    assert len(reasons) == 1
    assert "memory" in reasons[0]


def test_a_new_reconciler_finds_all_as_it_was(rig: Rig) -> None:
    serve(rig, rig.spec(1))
    start(rig, rig.spec(2))
    rigs.await_health(rig, rig.spec(1), Health.HEALTHY)
    rigs.await_health(rig, rig.spec(2), Health.HEALTHY)
    before = rig.engine.observe()
    rig.engine = rig.reconnect()
    assert rig.engine.observe() == before
    assert previewed(rig, rig.spec(2)) == 2
    serve(rig, rig.spec(2))
    assert served(rig) == 2


def test_the_same_version_with_other_resources_is_another_instance(rig: Rig) -> None:
    old = rig.spec()
    new = dataclasses.replace(old, memory_bytes=old.memory_bytes * 2)
    serve(rig, old)
    serve(rig, new)
    assert rig.engine.observe().routes == (route_to(new),)
    rig.engine.remove(old.name)
    assert [one.name for one in rig.engine.observe().instances] == [new.name]
    assert served(rig) == 1


def test_an_unreachable_host_says_so(rig: Rig) -> None:
    start(rig, rig.spec())
    engine = rig.unreachable()
    with pytest.raises(errors.EngineUnreachable):
        engine.observe()


def test_logs_are_of_an_instance_that_exists(rig: Rig) -> None:
    start(rig, rig.spec())
    assert rig.engine.logs(rig.spec().name, lines=5).strip()
    with pytest.raises(errors.EngineRefused, match="is not on"):
        rig.engine.logs("plimsoll-nobody")


def test_a_death_is_told_to_who_listens_and_listening_ends_when_it_is_closed(rig: Rig) -> None:
    serve(rig, rig.spec())
    told: list[str] = []
    changes = rig.engine.changes()
    listening = threading.Thread(target=lambda: told.extend(changes))
    listening.start()
    try:
        rig.kill(rig.spec())
        assert wire.until(lambda: bool(told), timeout=60)
    finally:
        changes.close()
    listening.join(60)
    assert not listening.is_alive()
