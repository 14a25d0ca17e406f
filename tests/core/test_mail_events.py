"""Log entries as mails: readable without HTML, in threads, and safe against what people wrote."""

import email
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from registry.core import mail_events
from registry.core.canonical import Json
from registry.core.mail_events import Envelope, Told

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
BY = Envelope(
    sender="plimsoll@example.org",
    to="ops@example.org",
    webhook="ops",
    origin="models.example.org/log",
    site="https://models.example.org",
)


def entry(**said: Json) -> dict[str, Json]:
    usual: dict[str, Json] = {
        "kind": "rolled_back", "time": "2026-11-24T09:59:58.000Z", "actor": "reconciler:main",
        "deployment": "production/digits", "model": "digits", "version": 8, "host": "edge-1",
        "reason": "accuracy 0.81 is below the minimum 0.93",
    }  # fmt: skip
    return usual | said


def mail(*entries: dict[str, Json], start: int = 4711) -> EmailMessage:
    """As it is read again from its bytes."""
    told = [Told(start + place, one) for place, one in enumerate(entries)]
    made = mail_events.of_entries(told, BY, now=NOW)
    read = email.message_from_bytes(made.as_bytes(), policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


def text(found: EmailMessage, kind: str = "plain") -> str:
    body = found.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_one_change_is_told_in_the_subject_and_in_plain_text() -> None:
    found = mail(entry())
    assert found["Subject"] == "production/digits (digits@8) rolled back on edge-1"
    assert text(found).startswith(
        "production/digits (digits@8) rolled back on edge-1\n"
        "  accuracy 0.81 is below the minimum 0.93\n"
        "2026-11-24 09:59:58 UTC, by reconciler:main, log entry 4711\n"
        "https://models.example.org/models/digits/versions/8\n"
    )
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["X-Plimsoll-Kind"] == "rolled_back"


def test_a_long_reason_is_wrapped_for_a_terminal() -> None:
    found = mail(entry(reason="a measurement spoke against it " * 20))
    lines = text(found).splitlines()
    assert max(map(len, lines)) <= 76
    assert sum(line.startswith("  ") for line in lines) > 4


def test_mails_about_one_deployment_are_one_thread_and_those_of_another_are_another() -> None:
    begun = mail(entry(kind="starting", version=8), start=1)
    ended = mail(entry(kind="rolled_back", version=7), entry(kind="revert_pushed"), start=2)
    other = mail(entry(deployment="production/fraud"), start=9)
    assert begun["In-Reply-To"] == begun["References"] == ended["References"]
    assert other["References"] != begun["References"]
    assert len({one["Message-ID"] for one in (begun, ended, other)}) == 3
    assert ended["Subject"] == "production/digits: 2 changes, the last: revert pushed"


def test_a_digest_of_several_deployments_answers_none_of_them() -> None:
    found = mail(entry(), entry(deployment="production/fraud", model="fraud"))
    assert "References" not in found
    assert found["Subject"] == "2 changes of production/digits, production/fraud"


def test_the_same_entries_are_the_same_bytes() -> None:
    told = [Told(1, entry())]
    first, second = (mail_events.of_entries(told, BY, now=NOW).as_bytes() for _ in range(2))
    assert first == second


def test_what_is_too_much_for_one_mail_is_counted() -> None:
    found = mail(*[entry(host=f"edge-{place}") for place in range(120)])
    assert "And 70 more: see the log." in text(found)
    assert text(found).count("rolled back on edge-") == 50


def test_a_reason_can_add_no_header_no_markup_and_steer_no_terminal() -> None:
    hostile = "x\r\nBcc: all@example.org\r\n\r\n<img src=//evil>\x1b[2J\u202eabc"
    found = mail(entry(deployment=f"production/{hostile}", reason=hostile, host=hostile))
    assert "Bcc" not in found
    assert "\n" not in str(found["Subject"])
    assert found["To"] == "ops@example.org"
    assert "<img" not in text(found, "html")
    assert "&lt;img" in text(found, "html")
    assert not {"\x1b", "\u202e"} & set(text(found) + text(found, "html"))


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_people_write_the_headers_stay_those_that_were_meant(name: str, why: str) -> None:
    plain, found = mail(entry()), mail(entry(deployment=name, reason=why, actor=why))
    assert set(found.keys()) <= set(plain.keys())
    assert not found.defects
    assert found["To"] == BY.to
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]


def test_an_odd_log_origin_makes_no_odd_message_id() -> None:
    odd = Envelope(BY.sender, BY.to, BY.webhook, "a b>\r\n/log", "")
    made = mail_events.of_entries([Told(1, entry())], odd, now=NOW)
    assert made["Message-ID"] == "<1-1.ops@plimsoll.local>"
