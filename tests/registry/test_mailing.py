"""Events by mail, through a real mail server: TLS, logins, digests, refusals and dead letters."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from registry import errors
from registry.core.attempts import Answer, Outcome, Refusal, Silence
from registry.core.mail_events import Envelope, of_trial
from registry.db.tables_events import Webhook
from registry.settings import Settings
from registry.settings_mail import Mail
from registry.usecases import opening, webhooks
from registry.usecases.access import Caller, Role
from registry.usecases.delivery import Courier
from registry.usecases.mailing import Mailer
from registry.usecases.messages import EMAIL
from registry.usecases.opening import Registry
from registry.usecases.sending import Sender
from registry.usecases.webhooks import Wish
from tests.registry import certificates, mailbox
from tests.registry.mailbox import Mailbox
from tests.registry.receiving import LOCAL, report

ADMIN = Caller(Role.ADMIN, "root")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return certificates.self_signed(tmp_path, "localhost")


@pytest.fixture
def box(certificate: Path) -> Iterator[Mailbox]:
    with mailbox.serving(certificate) as found:
        yield found


def opened(folder: Path, mail: Mail) -> Registry:
    sending = replace(LOCAL, mail=mail)
    return opening.open_registry(Settings(data_dir=folder / "data", sending=sending))


@pytest.fixture
def registry(box: Mailbox, certificate: Path, tmp_path: Path) -> Iterator[Registry]:
    found = opened(tmp_path, mailbox.settings(box, certificate))
    yield found
    found.close()


def create(registry: Registry, name: str = "ops") -> Webhook:
    wish = Wish(name=name, url="mailto:ops@example.org", kinds=["rolled_back"])
    return webhooks.create(registry, wish, ADMIN, form=EMAIL).webhook


def deliver(registry: Registry, made: Webhook) -> Webhook:
    sender = Sender(registry.settings.sending)
    courier = Courier(registry, "me", sender, lambda _: None, lambda: False)
    courier.deliver(made.id, 0)
    return webhooks.get(registry, made.id)


def rolled_back(registry: Registry, deployment: str = "production/digits") -> int:
    return report(
        registry, "rolled_back", deployment=deployment, model="digits", version=3, host="edge-1"
    )


def again(registry: Registry, made: Webhook) -> Webhook:
    """As if the pause were over; a change of a subscription ends it."""
    webhooks.change(registry, made.id, Wish(), ADMIN)
    return deliver(registry, made)


def test_a_change_comes_as_a_mail_over_tls(registry: Registry, box: Mailbox) -> None:
    made = create(registry)
    index = rolled_back(registry)
    found = deliver(registry, made)
    came = box.next()
    assert came["Subject"] == "production/digits (digits@3) rolled back on edge-1"
    assert came["Message-ID"] == f"<{index}-{index}.ops@plimsoll.local>"
    assert box.envelopes == [("plimsoll@example.org", ["ops@example.org"], True)]
    assert found.cursor == index + 1


def test_what_happens_meanwhile_comes_in_one_mail(registry: Registry, box: Mailbox) -> None:
    made = create(registry)
    rolled_back(registry)
    waiting = deliver(registry, made)
    assert waiting.next_attempt_at is not None
    last = [rolled_back(registry) for _ in range(120)][-1]
    found = again(registry, made)
    first, digest = box.next(), box.next()
    assert digest["Subject"] == "production/digits: 120 changes, the last: rolled back"
    assert digest["In-Reply-To"] == first["In-Reply-To"]
    assert found.cursor == last + 1
    assert found.options["pause"] == 2 * waiting.options["pause"]
    assert box.is_quiet()


def test_within_its_pause_a_subscription_is_left_in_peace(registry: Registry, box: Mailbox) -> None:
    made = create(registry)
    rolled_back(registry)
    deliver(registry, made)
    box.next()
    rolled_back(registry)
    deliver(registry, made)
    assert box.is_quiet()
    assert len(box.tried) == 1


def test_a_server_that_is_busy_gets_the_mail_again(registry: Registry, box: Mailbox) -> None:
    box.answers += ["451 come back later"]
    made = create(registry)
    rolled_back(registry)
    found = deliver(registry, made)
    assert (found.attempts, found.last_error) == (
        1,
        "the mail server answered 451: come back later",
    )
    assert again(registry, made).attempts == 0
    box.next()
    assert box.tried[0].partition(b"\r\n\r\n")[2] == box.tried[1].partition(b"\r\n\r\n")[2]


def test_what_is_refused_for_good_becomes_dead_letters_and_can_be_sent_again(
    registry: Registry, box: Mailbox
) -> None:
    box.refused_recipients = {"ops@example.org"}
    made = create(registry)
    indexes = [rolled_back(registry), rolled_back(registry)]
    found = deliver(registry, made)
    letters = webhooks.letters(registry, made.id, after=-1, limit=9)
    assert [one.log_index for one in letters] == indexes
    assert letters[0].reason == "the mail server answered 550: 5.1.1 no such user"
    assert found.cursor == indexes[-1] + 1
    assert found.next_attempt_at is not None
    box.refused_recipients = set()
    assert webhooks.redeliver(registry, made.id, indexes[0]).is_delivered
    assert "rolled back on edge-1" in str(box.next()["Subject"])
    assert len(webhooks.letters(registry, made.id, after=-1, limit=9)) == 1


def test_the_public_log_knows_the_domain_and_not_who(registry: Registry) -> None:
    create(registry)
    with registry.database.reading() as session:
        from registry.db import log

        head = log.head(session)
        assert head is not None
        leaves = [log.leaf(session, index) or b"" for index in range(head.size)]
    assert any(b'"host":"example.org"' in leaf for leaf in leaves)
    assert not any(b"ops@" in leaf for leaf in leaves)


def test_a_trial_says_that_it_is_one(registry: Registry, box: Mailbox) -> None:
    assert webhooks.try_out(registry, create(registry).id).is_delivered
    assert box.next()["Subject"] == "A test of the webhook ops"


def test_no_address_but_one_mailbox_is_taken(registry: Registry, tmp_path: Path) -> None:
    made = create(registry)
    for url in ("https://example.org/hook", "mailto:ops@example.org?bcc=a@example.org"):
        with pytest.raises(errors.InvalidInput):
            webhooks.change(registry, made.id, Wish(url=url), ADMIN)
    with pytest.raises(errors.InvalidInput, match="not signed"):
        webhooks.change(registry, made.id, Wish(secret="whsec_c2VjcmV0"), ADMIN)


def test_without_a_server_nobody_is_promised_mail(tmp_path: Path) -> None:
    with (
        closing(opened(tmp_path, Mail())) as registry,
        pytest.raises(errors.InvalidInput, match="sends no mail"),
    ):
        create(registry)


def sent(mail: Mail, seconds: float = 60) -> Outcome:
    from datetime import UTC, datetime

    by = Envelope(mail.sender, "ops@example.org", "ops", "plimsoll.local/log", "")
    return Mailer(mail, seconds).send(of_trial("test-1", by, now=datetime.now(UTC)))


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Silence), outcome
    return outcome.reason


def test_a_certificate_that_nobody_vouches_for_gets_no_mail_and_no_password(
    certificate: Path, tmp_path: Path
) -> None:
    login = secret(tmp_path, "plimsoll\nsesame\n")
    with mailbox.serving(certificate, wants_login=True) as box:
        strange = mailbox.settings(box, certificate, ca=None, login_file=login)
        assert "certificate does not hold" in reason(sent(strange))
        elsewhere = replace(
            mailbox.settings(box, certificate, login_file=login), server="127.0.0.1"
        )
        assert "certificate does not hold" in reason(sent(elsewhere))
        assert (box.tried, box.logins) == ([], [])


def test_a_server_without_starttls_gets_nothing(certificate: Path) -> None:
    with mailbox.serving() as box:
        assert "lacks what mail_security" in reason(sent(mailbox.settings(box, certificate)))
        assert box.tried == []


def test_a_login_is_from_a_file_that_nobody_else_can_read(
    certificate: Path, tmp_path: Path
) -> None:
    login = secret(tmp_path, "plimsoll\nsesame\n")
    with mailbox.serving(certificate, wants_login=True) as box:
        mail = mailbox.settings(box, certificate, login_file=login)
        assert sent(mail) == Answer(250)
        assert box.logins == [(b"plimsoll", b"sesame")]
        secret(tmp_path, "plimsoll\nwrong\n")
        assert reason(sent(mail)) == "the mail server answered 535 to the login in mail_login_file"
        secret(tmp_path, "plimsoll\n")
        assert "not a user and a password" in reason(sent(mail))
        login.chmod(0o644)
        assert "lets others read" in reason(sent(mail))


def secret(folder: Path, text: str) -> Path:
    file = folder / "mail.login"
    file.write_text(text)
    file.chmod(0o600)
    return file


def test_a_refusal_for_good_is_told_apart_from_one_for_now(box: Mailbox, certificate: Path) -> None:
    box.answers += ["554 5.7.1 no", "421 4.3.2 going down"]
    mail = mailbox.settings(box, certificate)
    assert sent(mail) == Refusal("the mail server answered 554: 5.7.1 no")
    assert reason(sent(mail)) == "the mail server answered 421: 4.3.2 going down"


def test_a_server_that_says_nothing_is_cut_when_its_time_is_over(certificate: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mail = Mail("localhost", silent.getsockname()[1], "starttls", "plimsoll@example.org")
        assert reason(sent(mail, 0.2))


def test_a_server_that_trickles_is_cut_as_well(certificate: Path) -> None:
    is_over = threading.Event()

    def trickle(server: socket.socket) -> None:
        line, _ = server.accept()
        with line:
            while not is_over.wait(0.02):
                try:
                    line.sendall(b"220-still here\r\n")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        mail = Mail("localhost", server.getsockname()[1], "off", "plimsoll@example.org")
        try:
            assert reason(sent(mail, 0.3)) == "the mail server broke off, or does not speak SMTP"
        finally:
            is_over.set()
            thread.join()


def test_nobody_there_is_told_in_words() -> None:
    mail = Mail("localhost", 1, "starttls", "plimsoll@example.org")
    assert "the connection to the mail server failed" in reason(sent(mail))
