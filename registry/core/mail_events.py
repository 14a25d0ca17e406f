"""Log entries as one mail: plain text first, the same as HTML, in threads by deployment. Pure.

Names and reasons come from people. What would end a header or a line, steer a terminal or be markup
is only text in a mail.
"""

import hashlib
import html
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from registry.core import mail_address
from registry.core.canonical import Json

_WIDTH = 72
_LONGEST = 600
# Told one by one in a mail; of what else came it tells the number.
_SHOWN = 50
_LONGEST_SUBJECT = 120


@dataclass(frozen=True, slots=True)
class Told:
    """An entry of the log and its index."""

    index: int
    entry: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Envelope:
    """Between whom a mail goes: `webhook` is the subscription's name, `origin` the log's.

    `site` is the registry's address for its readers, or empty.
    """

    sender: str
    to: str
    webhook: str
    origin: str
    site: str


def of_entries(told: Sequence[Told], by: Envelope, *, now: datetime) -> EmailMessage:
    """One mail of at least one entry; the same entries are the same `Message-ID` for ever.

    A mail about one deployment, model or version answers that one's thread (RFC 5322, 3.6.4).
    """
    threads = list(dict.fromkeys(_thread(one.entry) for one in told))
    mail = _mail(by, _headline(told, threads), now)
    mail["Message-ID"] = f"<{told[0].index}-{told[-1].index}.{by.webhook}@{_domain(by.origin)}>"
    if len(threads) == 1 and threads[0]:
        root = hashlib.sha256(f"{by.webhook}\n{threads[0]}".encode()).hexdigest()[:32]
        mail["In-Reply-To"] = mail["References"] = f"<{root}@{_domain(by.origin)}>"
    mail["X-Plimsoll-Kind"] = ", ".join(sorted({_said(one.entry, "kind") for one in told})[:20])
    _fill(mail, [_paragraph(one, by.site) for one in told[:_SHOWN]], len(told) - _SHOWN, by)
    return mail


def of_trial(trial: str, by: Envelope, *, now: datetime) -> EmailMessage:
    """What says that it is only a trial."""
    mail = _mail(by, f"A test of the webhook {by.webhook}", now)
    mail["Message-ID"] = f"<{trial}.{by.webhook}@{_domain(by.origin)}>"
    _fill(mail, [_Paragraph("A test of this webhook: nothing has happened.", "", "", "")], 0, by)
    return mail


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """What happened, why, when and by whom, and where more of it is to be read."""

    head: str
    reason: str
    foot: str
    link: str


def _mail(by: Envelope, subject: str, now: datetime) -> EmailMessage:
    """The headers of every mail; RFC 3834 keeps robots from answering it."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = f"Plimsoll <{by.sender}>"
    mail["To"] = by.to
    mail["Subject"] = subject
    mail["Date"] = format_datetime(now)
    mail["Auto-Submitted"] = "auto-generated"
    mail["List-Id"] = f"{by.webhook} <{by.webhook}.plimsoll.{_domain(by.origin)}>"
    return mail


def _headline(told: Sequence[Told], threads: Sequence[str]) -> str:
    if len(told) == 1:
        return _shortened(_head(told[0].entry), _LONGEST_SUBJECT)
    last = _words(told[-1].entry)
    if len(threads) == 1:
        about = f"{threads[0]}: " if threads[0] else ""
        return _shortened(f"{about}{len(told)} changes, the last: {last}", _LONGEST_SUBJECT)
    names = ", ".join(one or "the registry" for one in threads)
    return _shortened(f"{len(told)} changes of {names}", _LONGEST_SUBJECT)


def _paragraph(one: Told, site: str) -> _Paragraph:
    time = _said(one.entry, "time")[:19].replace("T", " ")
    foot = f"{time} UTC, by {_said(one.entry, 'actor')}, log entry {one.index}"
    return _Paragraph(_head(one.entry), _said(one.entry, "reason"), foot, _link(one.entry, site))


def _fill(mail: EmailMessage, told: Sequence[_Paragraph], left_out: int, by: Envelope) -> None:
    """Text, then HTML: a client shows the last that it can (RFC 2046, 5.1.4)."""
    more = f"And {left_out} more: see the log." if left_out > 0 else ""
    quieter = f"plimsoll webhook change {by.webhook} --kind KIND, or --pause"
    end = f"From the log {by.origin}. To hear less: {quieter}"
    text = [*(_plain(one) for one in told), *([more] if more else [])]
    mail.set_content("\n\n".join(text) + f"\n\n-- \n{textwrap.fill(end, _WIDTH)}\n")
    marked = "".join(_marked(one) for one in told) + (f"<p>{more}</p>" if more else "")
    mail.add_alternative(
        '<!doctype html><html lang="en"><body style="font-family:sans-serif;max-width:40em">'
        f'{marked}<hr><p style="font-size:smaller">{html.escape(end)}</p></body></html>\n',
        subtype="html",
    )
    # The library draws lots for it; the same mail shall be the same bytes.
    mail.set_boundary(hashlib.sha256(str(mail["Message-ID"]).encode()).hexdigest()[:40])


def _plain(one: _Paragraph) -> str:
    def lines() -> Iterator[str]:
        yield from textwrap.wrap(one.head, _WIDTH)
        yield from textwrap.wrap(
            one.reason, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False
        )
        yield from textwrap.wrap(one.foot, _WIDTH)
        if one.link:
            yield one.link

    return "\n".join(lines())


def _marked(one: _Paragraph) -> str:
    head = html.escape(one.head)
    if one.link:
        head = f'<a href="{html.escape(one.link)}">{head}</a>'
    reason = f"<br>{html.escape(one.reason)}" if one.reason else ""
    return f"<p><strong>{head}</strong>{reason}<br><small>{html.escape(one.foot)}</small></p>"


def _head(entry: Mapping[str, Json]) -> str:
    about, host = _about(entry), _said(entry, "host")
    words = f"{about} {_words(entry)}" if about else _words(entry).capitalize()
    return f"{words} on {host}" if host else words


def _words(entry: Mapping[str, Json]) -> str:
    return _said(entry, "kind").replace("_", " ")


def _about(entry: Mapping[str, Json]) -> str:
    model, version = _said(entry, "model"), _said(entry, "version")
    named = f"{model}@{version}" if model and version else model
    deployment = _said(entry, "deployment")
    return f"{deployment} ({named})" if deployment and named else deployment or named


def _thread(entry: Mapping[str, Json]) -> str:
    """What makes one conversation: a deployment's whole story, else a model's."""
    return _said(entry, "deployment") or _said(entry, "model")


def _link(entry: Mapping[str, Json], site: str) -> str:
    model, version = _said(entry, "model"), entry.get("version")
    if not site or not model or not isinstance(version, int):
        return ""
    return f"{site}/models/{model}/versions/{version}"


def _domain(origin: str) -> str:
    host = origin.partition("/")[0]
    address = f"log@{host}"
    return mail_address.domain(address) if mail_address.is_mailbox(address) else "plimsoll.local"


def _said(entry: Mapping[str, Json], name: str) -> str:
    """In one line, without what is not to be seen: controls, and marks that turn the text round."""
    value = entry.get(name)
    text = "" if value is None else " ".join(str(value).split())
    return _shortened(
        "".join(sign for sign in text if unicodedata.category(sign) not in {"Cc", "Cf", "Cs"}),
        _LONGEST,
    )


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
