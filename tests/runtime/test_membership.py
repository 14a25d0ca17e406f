"""A host that enrols itself, renews in time, and is told by name what is wrong where it is not."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from registry import errors
from registry.api.server import Server
from registry.core import age
from registry.core.entries import Kind
from registry.core.envelope import Wanted
from registry.settings import Settings
from registry.settings_access import Access
from registry.usecases import enrolment, hosts
from registry.usecases.opening import Registry as Opened
from runtime import events, membership
from runtime.config import Pin
from runtime.membership import Membership
from runtime.pull import Registry
from tests.registry.authorities import Ca, server_files
from tests.registry.conftest import ROOT

KEY = age.Identity(bytes(range(32)))
NOTHING = Wanted("digits", 1, "sha256:" + "0" * 64)
EVENT = {"id": "1", "kind": "loaded", "host": "edge-1", "model": "digits"}
# Backdated by a minute, a certificate for less than that is past its half at once.
PAST_HALF = 50 / 3600


class World:
    """A registry with TLS, and a host that was told a one-time token."""

    def __init__(self, folder: Path, hours: float) -> None:
        certificate, key, self.authority = server_files(folder, Ca("servers"))
        access = Access(certificate, key, certificate_hours=hours)
        self.server = Server(
            Settings(data_dir=folder / "data", listen=("127.0.0.1:0",), access=access)
        )
        self.server.start()
        self.folder = folder
        self.invite("edge-1")
        self.member = Membership(
            self.server.addresses[0],
            "edge-1",
            folder / "cache" / "host",
            folder / "token",
            KEY.recipient,
            self.authority,
        )

    @property
    def opened(self) -> Opened:
        found: Opened = self.server.app.state.registry
        return found

    def invite(self, host: str) -> None:
        made = enrolment.invite(self.opened, host, lasting=timedelta(hours=1), by=ROOT)
        (self.folder / "token").write_text(made.token + "\n")

    def registry(self, member: Membership | None = None) -> Registry:
        return Registry(self.server.addresses[0], None, KEY, member or self.member)

    def fingerprints(self) -> list[str]:
        return [row.fingerprint for row in hosts.listed(self.opened)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path, hours=24)
    yield found
    found.server.stop()


def test_a_host_enrols_itself_at_its_first_request_and_never_again(world: World) -> None:
    world.registry().post_event({**EVENT})
    [first] = world.fingerprints()
    assert hosts.listed(world.opened)[0].recipient == KEY.recipient
    (world.folder / "token").unlink()
    with pytest.raises(errors.NotFound):
        world.registry().envelope(NOTHING)
    assert world.fingerprints() == [first]
    modes = {file.stat().st_mode & 0o777 for file in world.member.folder.iterdir()}
    assert modes == {0o600}


def test_many_threads_at_once_enrol_once(world: World) -> None:
    outcomes: list[str] = []

    def ask() -> None:
        try:
            world.registry().envelope(NOTHING)
        except errors.PlimsollError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["not_found"] * 4


def test_at_half_of_its_life_a_certificate_is_renewed(tmp_path: Path) -> None:
    world = World(tmp_path, hours=PAST_HALF)
    world.member.context()
    [first] = world.fingerprints()
    world.member.context()
    [second] = world.fingerprints()
    assert second != first
    world.registry().post_event({**EVENT})
    world.server.stop()


def test_while_the_registry_is_away_the_present_certificate_stays(tmp_path: Path) -> None:
    world = World(tmp_path, hours=PAST_HALF)
    world.member.context()
    kept = (world.member.folder / "host.pem").read_bytes()
    world.server.stop()
    world.member.context()
    assert (world.member.folder / "host.pem").read_bytes() == kept
    x509.load_pem_x509_certificate(kept)


def test_a_revoked_host_is_told_so(world: World) -> None:
    world.registry().post_event({**EVENT})
    hosts.revoke(world.opened, "edge-1", reason="stolen", by=ROOT)
    with pytest.raises(errors.Unauthenticated, match="turned out"):
        world.registry().envelope(NOTHING)


def test_a_token_that_somebody_else_used_first_is_named(world: World) -> None:
    thief = replace(world.member, folder=world.folder / "thief")
    thief.context()
    with pytest.raises(errors.EnrolmentUsed, match="was used at"):
        world.member.context()


def test_a_token_for_another_host_is_not_taken(world: World) -> None:
    world.invite("edge-2")
    with pytest.raises(errors.InvalidConfig, match="'edge-2', and this is 'edge-1'"):
        world.member.context()
    assert not (world.member.folder / "host.pem").exists()


def test_a_registry_with_a_certificate_of_somebody_else_gets_no_token(world: World) -> None:
    foreign = world.folder / "foreign.pem"
    foreign.write_text(Ca("foreign").pem())
    with pytest.raises(errors.Unavailable):
        replace(world.member, authority=foreign).context()
    assert world.member.context() is not None, "the token was not used up"


def test_a_certificate_that_does_not_fit_the_key_is_not_shown(world: World) -> None:
    world.member.context()
    (world.member.folder / "host.key").unlink()
    with pytest.raises(errors.EnrolmentUsed):
        world.member.context()


def test_without_token_and_certificate_the_host_says_what_to_do(world: World) -> None:
    (world.folder / "token").unlink()
    with pytest.raises(errors.Unauthenticated, match="enrolment token cannot be read"):
        world.member.context()


def test_many_runtimes_of_one_host_enrol_once(world: World) -> None:
    """Each has its own memory of the folder that they share."""
    members = [replace(world.member, _lock=threading.Lock()) for _ in range(6)]
    with ThreadPoolExecutor(len(members)) as runtimes:
        for shown in [runtimes.submit(one.context) for one in members]:
            assert shown.result() is not None
    assert len(world.fingerprints()) == 1
    assert {one.name for one in world.member.folder.iterdir()} == {"host.key", "host.pem", "lock"}


def test_a_disk_that_is_full_uses_up_no_token_and_ends_no_looking(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "_LOOK_EVERY_SECONDS", 0.02)
    said = threading.Event()
    monkeypatch.setattr(membership._log, "warning", lambda *_, **__: said.set())
    full = world.member.folder / ".room.new"  # where it is written first
    full.mkdir(parents=True)
    membership.keep(world.member)
    assert said.wait(60)
    full.rmdir()
    end = time.monotonic() + 60
    while not (world.member.folder / "host.pem").exists():
        assert time.monotonic() < end, "nobody looks any more"
        time.sleep(0.01)


def test_a_disk_that_is_full_leaves_the_present_certificate(tmp_path: Path) -> None:
    world = World(tmp_path, hours=PAST_HALF)
    world.member.context()
    kept = (world.member.folder / "host.pem").read_bytes()
    (world.member.folder / ".host.pem.new").mkdir()
    world.registry().post_event({**EVENT})
    world.server.stop()
    assert (world.member.folder / "host.pem").read_bytes() == kept


def test_a_disk_that_is_full_holds_up_what_is_told_and_loses_none_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    monkeypatch.setattr(events._log, "info", lambda *_, **__: waits.set())
    full = world.member.folder / ".room.new"
    full.mkdir(parents=True)
    told = events.Events(world.registry(), host="edge-1")
    known = Pin("digits", 1, NOTHING.digest, "onnx", active=True)
    told.tell(Kind.LOADED, known, occasion="1")
    assert waits.wait(60)
    full.rmdir()
    told.flush(seconds=60)
    assert told._queue.unfinished_tasks == 0


def test_a_token_file_that_holds_no_text_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(errors.Unauthenticated) as raised:
        Registry("http://127.0.0.1:1", tmp_path / "token").envelope(NOTHING)
    assert "registry token into this file" in raised.value.fix
