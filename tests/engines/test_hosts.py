"""Docker hosts across a network: mutual TLS, ssh, pulled cables and restarted engines."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler import engines
from reconciler.core.observed import Health
from reconciler.engines import wire
from reconciler.engines.protocol import Engine
from registry import errors
from tests.engines import docker_hosts, images, listening, rigs
from tests.engines.docker_hosts import Host
from tests.engines.rigs import Docker, previewed, seen, serve, served, start

Connect = Callable[..., Engine]


@pytest.fixture(scope="module")
def remote(built_images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    lan = docker_hosts.Lan(tmp_path_factory.mktemp("hosts"))
    try:
        lan.up()
        host = lan.add_host()
        host.start_sshd()
        for image in (images.STANDIN, images.INGRESS):
            host.load(image)
        yield host
    finally:
        lan.down()


@pytest.fixture
def rig(remote: Host) -> Iterator[Docker]:
    with rigs.docker_host(remote.socket) as rig:
        yield rig


@pytest.fixture
def connect(remote: Host, rig: Docker) -> Iterator[Connect]:
    """An engine for the rig's host at an address, closed when the test is over."""
    opened: list[Engine] = []

    def connect(address: str, *, credentials: Path, timeout: float = 60.0) -> Engine:
        engine = engines.connect(
            host=rig.host,
            address=address,
            front=engines.Front(port=rig.port, image=images.INGRESS),
            state=Path("/nowhere"),
            credentials=credentials,
            timeout=timeout,
        )
        opened.append(engine)
        return engine

    yield connect
    for engine in opened:
        engine.close()


@pytest.fixture(params=["tcp", "ssh"])
def engine(request: pytest.FixtureRequest, remote: Host, connect: Connect) -> Engine:
    address = f"{remote.address}:2376" if request.param == "tcp" else f"root@{remote.address}"
    return connect(f"{request.param}://{address}", credentials=remote.lan.credentials)


def test_a_host_across_the_network_serves_and_switches(
    remote: Host, rig: Docker, engine: Engine
) -> None:
    rig.engine = engine
    serve(rig, rig.spec(1))
    start(rig, rig.spec(2))
    assert (served(rig), previewed(rig, rig.spec(2))) == (1, 2)
    serve(rig, rig.spec(2))
    engine.remove(rig.spec(1).name)
    assert served(rig) == 2
    # Over ssh each is a session, and sshd allows ten for each login.
    assert int(remote.run("pgrep -xc docker || true")) <= 2


def test_a_pulled_cable_is_told_within_the_timeout_and_mended(
    remote: Host, rig: Docker, connect: Connect
) -> None:
    for address in (f"tcp://{remote.address}:2376", f"ssh://root@{remote.address}"):
        engine = connect(address, credentials=remote.lan.credentials, timeout=1.0)
        # Over ssh a first look is a session and a program, which may take a busy host longer.
        assert wire.until(lambda engine=engine: _answers(engine), timeout=60), address
        remote.cut()
        try:
            with pytest.raises(errors.EngineUnreachable):
                engine.observe()
        finally:
            remote.mend()
        assert wire.until(lambda engine=engine: _answers(engine), timeout=60), address


def test_who_listens_over_a_cable_that_is_pulled_is_told_that_it_is_over(
    remote: Host, rig: Docker, connect: Connect
) -> None:
    """Nobody sends anything when the power fails: TCP's own questions find out."""
    addresses = (f"tcp://{remote.address}:2376", f"ssh://root@{remote.address}")
    found = [connect(address, credentials=remote.lan.credentials) for address in addresses]
    rig.engine = found[0]
    serve(rig, rig.spec())
    heard = [listening.Heard(engine) for engine in found]
    rig.kill(rig.spec())
    assert all(one.within(60, "die") for one in heard)
    remote.cut()
    try:
        assert all(one.ends(60) for one in heard)
    finally:
        remote.mend()


def test_listening_over_ssh_ends_when_it_is_closed(
    remote: Host, rig: Docker, connect: Connect
) -> None:
    engine = connect(f"ssh://root@{remote.address}", credentials=remote.lan.credentials)
    heard = listening.Heard(engine)
    assert heard.close()
    assert _answers(engine)


def test_a_dead_ssh_session_is_replaced(remote: Host, rig: Docker, connect: Connect) -> None:
    engine = connect(f"ssh://root@{remote.address}", credentials=remote.lan.credentials)
    engine.observe()
    # Another's session, which is just about to end, may be gone before it is told to.
    remote.run("kill $(pgrep -P $(cat /run/sshd.pid)) || true")
    assert wire.until(lambda: _answers(engine), timeout=60), "no answer over a new session"


def test_an_engine_that_was_killed_and_comes_back_is_seen_again(
    remote: Host, rig: Docker, engine: Engine
) -> None:
    rig.engine = engine
    serve(rig, rig.spec())
    remote.kill_docker()
    with pytest.raises(errors.EngineUnreachable):
        engine.observe()
    remote.start_docker()
    rigs.await_health(rig, rig.spec(), Health.HEALTHY)
    assert wire.until(lambda: rigs.answers(rig, 1), timeout=60), "version 1 is not served again"


def test_a_certificate_of_another_authority_is_refused(
    remote: Host, connect: Connect, tmp_path: Path
) -> None:
    stranger = docker_hosts.Lan(tmp_path)
    stranger.authority()
    engine = connect(f"tcp://{remote.address}:2376", credentials=stranger.credentials)
    with pytest.raises(errors.EngineUnreachable, match="certificate verify failed"):
        engine.observe()
    (stranger.credentials / "ca.pem").write_bytes((remote.lan.credentials / "ca.pem").read_bytes())
    with pytest.raises(errors.EngineUnreachable, match=r"(?i)certificate|alert|EOF"):
        engine.observe()


def test_a_host_key_nobody_vouched_for_is_refused(
    remote: Host, connect: Connect, tmp_path: Path
) -> None:
    stranger = docker_hosts.Lan(tmp_path)
    stranger.authority()
    engine = connect(f"ssh://root@{remote.address}", credentials=stranger.credentials)
    with pytest.raises(errors.EngineUnreachable, match="known_hosts"):
        engine.observe()


def test_a_ca_bundle_in_the_environment_does_not_replace_ours(
    remote: Host, rig: Docker, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").touch()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "empty.pem"))
    engine = connect(f"tcp://{remote.address}:2376", credentials=remote.lan.credentials)
    assert seen(dataclasses.replace(rig, engine=engine), rig.spec()) is None


def _answers(engine: Engine) -> bool:
    try:
        engine.observe()
    except errors.EngineUnreachable:
        return False
    return True
