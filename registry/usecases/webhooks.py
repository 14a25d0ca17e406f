"""Webhooks as their admins see them: made, changed, tried, removed; each change is in the log.

A secret is shown to whoever makes it and to nobody afterwards. The log is public, so it names a
webhook's host and never its whole address, which may hold a secret of the receiver's.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from registry import errors
from registry.core import destination, entries, facts, hmac_signature, mail_address, names
from registry.core.attempts import Answer, Outcome, Refusal, Silence, is_success
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.mlflow_events import Event
from registry.db import log as log_rows
from registry.db import webhooks as rows
from registry.db.engine import Session
from registry.db.tables_events import DeadLetter, Webhook
from registry.usecases import log, messages
from registry.usecases.access import Caller
from registry.usecases.messages import CLOUDEVENTS, EMAIL, MLFLOW, UNSIGNED
from registry.usecases.opening import Registry
from registry.usecases.sending import Sender

MOST = 100

_GLOB = re.compile(r"[a-z0-9._*?\[\]!-]{0,128}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What an admin asks for; None leaves it as it is, or as a new webhook has it."""

    name: str | None = None
    url: str | None = None
    description: str | None = None
    kinds: Sequence[str] | None = None
    model: str | None = None
    secret: str | None = None
    is_active: bool | None = None
    # The MLflow form alone has some.
    options: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A new webhook, and its secret for the only time."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, slots=True)
class Tried:
    """How one attempt went; `reason` is empty where the receiver took the event.

    `status` is what it answered, None where it did not.
    """

    is_delivered: bool
    reason: str
    status: int | None = None


def create(registry: Registry, wish: Wish, by: Caller, *, form: str = CLOUDEVENTS) -> Made:
    """Raises InvalidInput, or Conflict where the name is taken. It is told of what comes next."""
    now, secret = datetime.now(UTC), wish.secret or _first_secret(form)
    made = Webhook(
        id=f"wh_{secrets.token_hex(10)}", name="", url="", description="", kinds=[], model="",
        form=form, options={},
        status=rows.ACTIVE, status_reason="", attempts=0, last_error="",
        created_by=by.actor, created_at=now, updated_at=now,
    )  # fmt: skip
    _apply(registry, made, wish, by)
    made.secret = _sealed(registry, made, secret)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        if sum(rows.counts(session).values()) >= MOST:
            raise errors.Conflict(f"there are {MOST} webhooks", fix="remove one first")
        _require_free(session, made)
        made.cursor = _record(session, registry, Kind.WEBHOOK_CREATED, made, by) + 1
        session.add(made)
        session.commit()
    return Made(made, secret)


def page(
    registry: Registry, *, after: str, limit: int, form: str | None = None
) -> Sequence[Webhook]:
    """By name, those beyond the name `after`; of one form or all."""
    with registry.database.reading() as session:
        return rows.page(session, after=after, limit=limit, form=form)


def free_name(registry: Registry, candidates: Iterable[str]) -> str:
    """The first that no webhook has; raises Conflict where none of the first hundred is free."""
    with registry.database.reading() as session:
        for name in islice(candidates, MOST):
            if rows.named(session, name) is None:
                return name
    raise errors.Conflict("all names like this are taken", fix="choose another name")


def get(registry: Registry, webhook: str) -> Webhook:
    """Raises NotFound."""
    with registry.database.reading() as session:
        return rows.get(session, webhook)


def change(registry: Registry, webhook: str, wish: Wish, by: Caller) -> Webhook:
    """What is being sent meanwhile is sent again as the webhook then is. Raises NotFound."""
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        found = rows.get(session, webhook)
        _apply(registry, found, wish, by)
        if wish.secret:
            found.secret = _sealed(registry, found, wish.secret)
        with session.no_autoflush:
            _require_free(session, found)
        _record(session, registry, Kind.WEBHOOK_CHANGED, found, by, new_secret=bool(wish.secret))
        found.attempts, found.next_attempt_at, found.updated_at = 0, None, datetime.now(UTC)
        # Without its lease, the process that is at it finds that it has been overtaken.
        found.lease_owner = found.lease_until = None
        session.commit()
        return found


def remove(registry: Registry, webhook: str, by: Caller) -> None:
    """With its dead letters; raises NotFound."""
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        found = rows.get(session, webhook)
        _record(session, registry, Kind.WEBHOOK_REMOVED, found, by)
        rows.remove(session, found)
        session.commit()


def letters(registry: Registry, webhook: str, *, after: int, limit: int) -> Sequence[DeadLetter]:
    """What could not be delivered, beyond the log index `after`; raises NotFound."""
    with registry.database.reading() as session:
        rows.get(session, webhook)
        return rows.letters(session, webhook, after=after, limit=limit)


def try_out(registry: Registry, webhook: str, event: Event | None = None) -> Tried:
    """Send one event that tells nothing; whether the webhook is paused does not matter.

    `event` is which, for the MLflow form.
    """
    to = messages.receiver(registry, get(registry, webhook))
    message = messages.of_trial(registry, to, now=datetime.now(UTC), event=event)
    return _told(Sender(registry.settings.sending).send(message))


def redeliver(registry: Registry, webhook: str, index: int) -> Tried:
    """Send a dead letter once more; where it is taken, it goes. Raises NotFound."""
    with registry.database.reading() as session:
        found = rows.get(session, webhook)
        rows.letter(session, webhook, index)
        leaf = log_rows.leaf(session, index) or b""
    now, to = datetime.now(UTC), messages.receiver(registry, found)
    sender, tried = Sender(registry.settings.sending), Tried(is_delivered=True, reason="")
    for message in messages.of_entries(registry, to, [(index, leaf)], now):
        tried = _told(sender.send(message))
        if not tried.is_delivered:
            break
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        letter = rows.letter(session, webhook, index)
        if tried.is_delivered:
            session.delete(letter)
        else:
            letter.attempts, letter.reason = letter.attempts + 1, tried.reason
        session.commit()
    return tried


def _apply(registry: Registry, found: Webhook, wish: Wish, by: Caller) -> None:
    """Put the wish, but for its secret, into the row; raises InvalidInput."""
    if wish.name is not None:
        found.name = names.slug(wish.name, what="webhook name")
    if wish.url is not None:
        _require_reachable(registry, found.form, wish.url)
        found.url = wish.url
    if wish.description is not None:
        found.description = facts.require_text(wish.description, what="description", limit=2000)
    if wish.kinds is not None:
        found.kinds = sorted({entries.kind(kind) for kind in wish.kinds})
    if wish.model is not None:
        found.model = _glob(wish.model)
    if wish.options is not None:
        found.options = wish.options
    if wish.is_active is not None:
        found.status = rows.ACTIVE if wish.is_active else rows.PAUSED
        found.status_reason = "" if wish.is_active else f"paused by {by.actor}"


def _glob(text: str) -> str:
    if not _GLOB.fullmatch(text):
        raise errors.InvalidInput(
            f"{text[:80]!r} is not a glob over model names", fix="write it like fraud-*"
        )
    return text


def _require_reachable(registry: Registry, form: str, url: str) -> None:
    """The form of the address, and an address of numbers at once; names are judged when used."""
    if form == EMAIL:
        mail_address.parse(url)
        if not registry.settings.sending.mail.server:
            raise errors.InvalidInput(
                "this registry sends no mail", fix="name the server in the setting mail_server"
            )
        return
    host = destination.parse(url).host
    address = destination.literal(host)
    hosts = registry.settings.sending.hosts
    if address is not None and not destination.may_reach(host, address, hosts):
        raise errors.InvalidInput(
            f"{host} is not an address of the public internet",
            fix="list it in the setting webhook_hosts, if events shall go there",
        )


def _require_free(session: Session, found: Webhook) -> None:
    other = rows.named(session, found.name)
    if other is not None and other.id != found.id:
        raise errors.Conflict(
            f"there is a webhook {found.name!r} already", fix="change it, or choose another name"
        )


def _sealed(registry: Registry, found: Webhook, secret: str) -> bytes:
    """MLflow's secrets are any text, and may be left out: then nothing is signed, as for Slack."""
    if found.form in UNSIGNED and secret:
        raise errors.InvalidInput(
            "messages to a chat, and mails, are not signed", fix="leave the secret out"
        )
    key = hmac_signature.key_of(secret) if found.form == CLOUDEVENTS else secret.encode()
    return registry.vault.seal(key, owner=found.id)


def _first_secret(form: str) -> str:
    if form in {MLFLOW, *UNSIGNED}:
        return ""
    return hmac_signature.secret_text(secrets.token_bytes(32))


def _record(
    session: Session,
    registry: Registry,
    kind: Kind,
    found: Webhook,
    by: Caller,
    *,
    new_secret: bool = False,
) -> int:
    now = datetime.now(UTC)
    detail: dict[str, Json] = {
        "webhook": found.id,
        "name": found.name,
        "host": messages.host(found),
        "kinds": [*found.kinds],
        "model": found.model,
        "status": found.status,
    }
    if new_secret:
        detail["secret"] = "changed"  # noqa: S105  only that it was
    entry = entries.Entry(time=log.stamp(now), kind=kind, actor=by.actor, detail=detail)
    return log.append(session, registry, entry, now=now)


def _told(outcome: Outcome) -> Tried:
    match outcome:
        case Answer(status) if is_success(outcome):
            return Tried(is_delivered=True, reason="", status=status)
        case Answer(status):
            reason = f"the receiver answered {status}"
            return Tried(is_delivered=False, reason=reason, status=status)
        case Silence(reason) | Refusal(reason):
            return Tried(is_delivered=False, reason=reason)
