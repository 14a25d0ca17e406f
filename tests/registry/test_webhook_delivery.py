"""How deliveries behave when things go wrong: crashes, slow and hostile receivers, two replicas."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from registry import errors
from registry.api import couriers
from registry.api.couriers import Couriers
from registry.core.attempts import Answer, Silence, Step
from registry.db import webhooks as rows
from registry.db.tables_events import Webhook
from registry.settings import Settings
from registry.trust import sealing
from registry.usecases import delivery, opening, posting, webhooks
from registry.usecases.access import Caller, Role
from registry.usecases.delivery import Courier
from registry.usecases.opening import Registry
from registry.usecases.posting import Message, Poster
from registry.usecases.sending import Sender
from registry.usecases.watching import LogWatch
from registry.usecases.webhooks import Wish
from tests.registry import certificates, program, receiving
from tests.registry.receiving import LOCAL, Receiver, report

ADMIN = Caller(Role.ADMIN, "root")
HELLO = Message("http://localhost:1/hook", {}, b"{}")


@pytest.fixture
def registry(database_url: str, tmp_path: Path) -> Iterator[Registry]:
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url, sending=LOCAL)
    opened = opening.open_registry(settings)
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving.receiving() as found:
        yield found


@contextmanager
def delivering(registry: Registry, told: Callable[[Step], None] = lambda _: None) -> Iterator[None]:
    """One replica's threads over this registry."""
    watch = LogWatch(registry)
    couriers = Couriers(registry, watch, told)
    watch.start()
    couriers.start()
    try:
        yield
    finally:
        couriers.stop()
        watch.stop()


def create(registry: Registry, url: str, name: str = "ci", **fields: object) -> Webhook:
    wish = Wish(name=name, url=url, kinds=["deployed"], **fields)
    return webhooks.create(registry, wish, ADMIN).webhook


def courier(registry: Registry, owner: str = "me", seconds: float = 60) -> Courier:
    sender = Sender(replace(registry.settings.sending, seconds=seconds))
    return Courier(registry, owner, sender, lambda _: None, lambda: False)


def test_two_replicas_deliver_each_event_once_and_in_order(
    registry: Registry, receiver: Receiver
) -> None:
    made = create(registry, receiver.url)
    other = opening.open_registry(registry.settings)
    with delivering(registry), delivering(other):
        indexes = [report(one) for _ in range(10) for one in (registry, other)]
        came = [int(receiver.next().document["id"]) for _ in indexes]
        passed(registry, made.id, indexes[-1])
    other.close()
    assert came == indexes
    assert receiver.is_quiet()
    found = webhooks.get(registry, made.id)
    assert (found.cursor, found.lease_owner) == (indexes[-1] + 1, None)


def test_a_replica_that_stops_leaves_its_webhooks_to_the_other(
    registry: Registry, receiver: Receiver
) -> None:
    made = create(registry, receiver.url)
    with delivering(registry):
        first = report(registry)
        assert receiver.next().document["id"] == str(first)
        passed(registry, made.id, first)
    second = report(registry)
    with delivering(registry):
        assert receiver.next().document["id"] == str(second)


def test_a_replica_that_died_keeps_its_lease_until_it_ends(
    registry: Registry, receiver: Receiver
) -> None:
    made = create(registry, receiver.url)
    index = report(registry)
    now = datetime.now(UTC)
    lease(registry, made.id, owner="dead", until=now + timedelta(hours=1))
    assert courier(registry).deliver(made.id, 0) == 0
    assert receiver.is_quiet()
    lease(registry, made.id, owner="dead", until=now)
    assert courier(registry).deliver(made.id, 0) == index + 1
    assert receiver.next().document["id"] == str(index)


def test_what_was_sent_before_a_crash_is_sent_again_under_the_same_id(
    receiver: Receiver, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    settings = Settings(data_dir=data, sending=LOCAL)
    registry = opening.open_registry(settings)
    create(registry, receiver.url)
    indexes = [report(registry), report(registry)]
    registry.close()

    with program.serving(data, webhook_seconds=60.0) as first:
        # The receiver has the event, and before it has said so the sender is no more.
        receiver.answers += [lambda _: first.kill()]
        before = receiver.next()
        first.process.wait()
    again = opening.open_registry(settings)
    (found,) = webhooks.page(again, after="", limit=9)
    lease(again, found.id, owner=str(found.lease_owner), until=datetime.now(UTC))
    again.close()
    with program.serving(data, webhook_seconds=60.0):
        after = [receiver.next(), receiver.next()]
    assert [int(one.document["id"]) for one in (before, *after)] == [indexes[0], *indexes]
    assert before.body == after[0].body


def test_a_change_overtakes_what_is_being_sent(registry: Registry, receiver: Receiver) -> None:
    made = create(registry, receiver.url)
    index = report(registry)

    def changed_meanwhile(handler: BaseHTTPRequestHandler) -> None:
        webhooks.change(registry, made.id, Wish(description="new"), ADMIN)
        receiving.OK(handler)

    receiver.answers += [changed_meanwhile]
    courier(registry).deliver(made.id, 0)
    assert webhooks.get(registry, made.id).cursor == index
    courier(registry).deliver(made.id, 0)
    assert [receiver.next().document["id"] for _ in range(2)] == [str(index)] * 2
    assert webhooks.get(registry, made.id).cursor == index + 1


def test_a_webhook_that_is_removed_meanwhile_leaves_nothing_behind(
    registry: Registry, receiver: Receiver
) -> None:
    made = create(registry, receiver.url)
    report(registry)

    def removed_meanwhile(handler: BaseHTTPRequestHandler) -> None:
        webhooks.remove(registry, made.id, ADMIN)
        receiving.status(500)(handler)

    receiver.then = removed_meanwhile
    one = replace(courier(registry), registry=replace_attempts(registry, 1))
    one.deliver(made.id, 0)
    receiver.next()
    assert webhooks.page(registry, after="", limit=9) == []


def test_a_slow_receiver_holds_up_nobody_else(registry: Registry, receiver: Receiver) -> None:
    others_were_served = threading.Event()

    def waits(handler: BaseHTTPRequestHandler) -> None:
        others_were_served.wait(600)
        receiving.OK(handler)

    with receiving.receiving() as slow, delivering(replace_seconds(registry, 3600)):
        slow.then = waits
        create(registry, slow.url, "slow")
        create(registry, receiver.url, "quick")
        indexes = [str(report(registry)) for _ in range(5)]
        assert slow.next().document["id"] == indexes[0]
        assert [receiver.next().document["id"] for _ in indexes] == indexes
        assert slow.is_quiet()
        others_were_served.set()
        assert [slow.next().document["id"] for _ in indexes[1:]] == indexes[1:]


def test_stopping_cuts_a_receiver_that_does_not_answer_and_counts_no_attempt(
    registry: Registry, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "_LAST_CALL", 0.01)
    stopped = threading.Event()
    receiver.then = lambda _: stopped.wait(600)
    made = create(registry, receiver.url)
    with delivering(replace_seconds(registry, 3600)):
        index = report(registry)
        receiver.next()
    stopped.set()
    found = webhooks.get(registry, made.id)
    assert (found.cursor, found.attempts, found.lease_owner) == (index, 0, None)


def test_entries_of_no_interest_are_passed_over_without_a_write_each(
    registry: Registry, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_PASSED", 10)
    made = create(registry, receiver.url)
    for _ in range(5):
        report(registry, "tested")
    one = courier(registry)
    end = one.deliver(made.id, 0)
    assert webhooks.get(registry, made.id).cursor == made.cursor == end - 5
    for _ in range(5):
        report(registry, "tested")
    end = one.deliver(made.id, end)
    assert webhooks.get(registry, made.id).cursor == end == made.cursor + 10
    assert receiver.is_quiet()


def test_a_secret_under_another_key_is_told_and_sends_nothing(
    registry: Registry, receiver: Receiver, tmp_path: Path
) -> None:
    made = create(registry, receiver.url)
    report(registry)
    other = replace(registry, vault=sealing.load_or_create(tmp_path / "other.key"))
    courier(other).deliver(made.id, 0)
    assert "secrets.key" in webhooks.get(registry, made.id).last_error
    assert receiver.is_quiet()


def test_a_zero_byte_is_nobodys_id_on_either_database(registry: Registry) -> None:
    with pytest.raises((errors.NotFound, errors.InvalidInput)):
        webhooks.get(registry, "\x00")


def test_a_name_that_leads_to_a_private_address_is_not_sent_to(receiver: Receiver) -> None:
    url = receiver.url.replace("127.0.0.1", "localhost")
    found = Poster(5, []).post(replace(HELLO, url=url))
    assert isinstance(found, Silence)
    assert "not an address of the public internet" in found.reason
    assert receiver.is_quiet()


def test_the_address_that_was_judged_is_the_one_that_is_reached(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["93.184.216.34", "127.0.0.1"])  # the second is what an attacker hopes for
    reached: list[str] = []

    def resolve(_host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address: tuple[str, int], _timeout: float) -> socket.socket:
        reached.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(posting.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(posting.socket, "create_connection", connect)
    assert isinstance(Poster(5, []).post(replace(HELLO, url=receiver.url)), Silence)
    assert reached == ["93.184.216.34"]


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.then = receiving.status(307, Location=receiver.url)
    assert Poster(60, ["127.0.0.1"]).post(replace(HELLO, url=receiver.url)) == Answer(307)
    receiver.next()
    assert receiver.is_quiet()


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(65536))


def trickle(handler: BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"x")
        threading.Event().wait(0.01)


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"220 mail.example.org ESMTP\r\n\r\n")
    handler.close_connection = True


def test_an_answer_without_end_is_read_no_further_than_its_status(receiver: Receiver) -> None:
    receiver.then = endless
    assert Poster(60, ["127.0.0.1"]).post(replace(HELLO, url=receiver.url)) == Answer(200)


@pytest.mark.parametrize("hostile", [trickle, nonsense])
def test_an_answer_that_never_comes_to_its_point_is_cut(
    receiver: Receiver, hostile: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    receiver.then = hostile
    found = Poster(0.2, ["127.0.0.1"]).post(replace(HELLO, url=receiver.url))
    assert isinstance(found, Silence)


def test_a_receiver_without_tls_gets_nothing_over_https(receiver: Receiver) -> None:
    url = receiver.url.replace("http:", "https:")
    found = Poster(60, ["127.0.0.1"]).post(replace(HELLO, url=url))
    assert found == Silence("no TLS connection came about")


def test_a_certificate_counts_where_an_authority_of_this_machine_vouches_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificates.self_signed(tmp_path, "localhost")
    with receiving.receiving(certificate) as receiver:
        url = receiver.url.replace("http://127.0.0.1", "https://localhost")
        posting._tls.cache_clear()
        unknown = Poster(60, ["localhost"]).post(replace(HELLO, url=url))
        assert isinstance(unknown, Silence)
        assert "certificate does not hold" in unknown.reason
        assert receiver.is_quiet()

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        posting._tls.cache_clear()
        assert Poster(60, ["localhost"]).post(replace(HELLO, url=url)) == Answer(204)
        wrong = url.replace("localhost", "127.0.0.1")
        assert isinstance(Poster(60, ["127.0.0.1"]).post(replace(HELLO, url=wrong)), Silence)
    posting._tls.cache_clear()


def test_a_retry_after_is_heard(receiver: Receiver) -> None:
    receiver.then = receiving.status(503, Retry_After="120")
    found = Poster(60, ["127.0.0.1"]).post(replace(HELLO, url=receiver.url))
    assert found == Answer(503, wait=120)


def passed(registry: Registry, webhook: str, index: int) -> None:
    """Wait until that entry is not only with its receiver, but counts as delivered too."""
    end = time.monotonic() + 60
    while webhooks.get(registry, webhook).cursor <= index:
        assert time.monotonic() < end
        time.sleep(0.01)


def lease(registry: Registry, webhook: str, *, owner: str, until: datetime) -> None:
    """As the process `owner` would have left it."""
    with registry.database.writing() as session:
        rows.get(session, webhook).lease_owner = owner
        rows.get(session, webhook).lease_until = until
        session.commit()


def replace_attempts(registry: Registry, attempts: int) -> Registry:
    return _with(registry, attempts=attempts)


def replace_seconds(registry: Registry, seconds: float) -> Registry:
    return _with(registry, seconds=seconds)


def _with(registry: Registry, **changed: float) -> Registry:
    sending = replace(registry.settings.sending, **changed)
    return replace(registry, settings=replace(registry.settings, sending=sending))
