"""Log entries, and trials, as signed messages to one webhook's receiver."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.core import (
    canonical,
    cloudevent,
    destination,
    hmac_signature,
    mail_address,
    mail_events,
    mlflow_events,
    slack_events,
)
from registry.core.canonical import Json
from registry.db.tables_events import Webhook
from registry.usecases import log, telling
from registry.usecases.opening import Registry
from registry.usecases.posting import Message
from registry.usecases.sending import Item

CLOUDEVENTS, MLFLOW, SLACK, EMAIL = "cloudevents", "mlflow", "slack", "email"
# Forms without a key: nobody there would look at a signature.
UNSIGNED = frozenset({SLACK, EMAIL})


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a webhook's messages go, in which form, and the key that they are signed with.

    `events` are those of the MLflow form; a receiver of that form may have an empty key, those of
    UNSIGNED have no other. `name` is what its admins call it.
    """

    webhook: str
    name: str
    url: str
    key: bytes
    form: str
    events: tuple[mlflow_events.Event, ...]


def receiver(registry: Registry, found: Webhook) -> Receiver:
    """Raises IntegrityError where the secret was sealed with another key."""
    key = registry.vault.open(found.secret, owner=found.id)
    events = mlflow_events.parse(found.options["events"]) if found.form == MLFLOW else ()
    return Receiver(found.id, found.name, found.url, key, found.form, events)


def host(found: Webhook) -> str:
    """The machine, or the domain of the mail address: what the public log may say of it."""
    if found.form == EMAIL:
        return mail_address.domain(mail_address.parse(found.url))
    return destination.parse(found.url).host


def of_entries(
    registry: Registry, to: Receiver, rows: Sequence[tuple[int, bytes]], now: datetime
) -> list[Item]:
    """One mail of all of them, where it is told by mail; else what there is of each."""
    if to.form != EMAIL:
        return [
            message
            for index, leaf in rows
            for message in of_entry(registry, to, index=index, leaf=leaf, now=now)
        ]
    told = [
        mail_events.Told(index, canonical.decode_object(leaf, what="log entry"))
        for index, leaf in rows
    ]
    return [mail_events.of_entries(told, _envelope(registry, to), now=now)]


def of_entry(
    registry: Registry, to: Receiver, *, index: int, leaf: bytes, now: datetime
) -> list[Message]:
    """One, but for the MLflow form, which has none or several for some entries.

    Their ids are the same each time; the time and the signature over it are new.
    """
    if to.form == CLOUDEVENTS:
        event = cloudevent.of_entry(index, leaf, origin=registry.settings.origin)
        return [_event(to, event, now)]
    entry = canonical.decode_object(leaf, what="log entry")
    if to.form == SLACK:
        return [_slack(to, slack_events.of_entry(index, entry))]
    documents = mlflow_events.of_entry(entry, telling.about(registry, entry), to.events)
    return [_mlflow(to, f"{index}-{place}", one, now) for place, one in enumerate(documents)]


def of_trial(
    registry: Registry, to: Receiver, *, now: datetime, event: mlflow_events.Event | None = None
) -> Item:
    """Only to see whether the receiver takes what is sent; `event` is of the MLflow form."""
    trial, time = f"test-{secrets.token_hex(8)}", log.stamp(now)
    if to.form == MLFLOW:
        return _mlflow(to, trial, mlflow_events.of_trial(event or to.events[0], time=time), now)
    if to.form == SLACK:
        return _slack(to, slack_events.of_trial())
    if to.form == EMAIL:
        return mail_events.of_trial(trial, _envelope(registry, to), now=now)
    told = cloudevent.of_trial(trial, to.webhook, origin=registry.settings.origin, time=time)
    return _event(to, told, now)


def _event(to: Receiver, event: dict[str, Json], now: datetime) -> Message:
    body, message_id = canonical.encode(event), str(event["id"])
    headers = {
        "Content-Type": f"{cloudevent.MEDIA_TYPE}; charset=utf-8",
        "webhook-id": message_id,
        "webhook-timestamp": _seconds(now),
        "webhook-signature": _signature(to, message_id, body, now),
    }
    return Message(to.url, headers, body)


def _slack(to: Receiver, document: dict[str, Json]) -> Message:
    """Unsigned: nobody there would look, and the address itself is the secret."""
    headers = {"Content-Type": slack_events.MEDIA_TYPE}
    return Message(to.url, headers, canonical.encode(document))


def _envelope(registry: Registry, to: Receiver) -> mail_events.Envelope:
    settings = registry.settings
    return mail_events.Envelope(
        sender=settings.sending.mail.sender,
        to=mail_address.parse(to.url),
        webhook=to.name,
        origin=settings.origin,
        site=settings.url,
    )


def _mlflow(to: Receiver, message_id: str, document: Mapping[str, Json], now: datetime) -> Message:
    body = canonical.encode(document)
    headers = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": message_id,
        "X-MLflow-Timestamp": _seconds(now),
    }
    if to.key:
        headers["X-MLflow-Signature"] = _signature(to, message_id, body, now)
    return Message(to.url, headers, body)


def _signature(to: Receiver, message_id: str, body: bytes, now: datetime) -> str:
    return hmac_signature.sign(
        to.key, message_id=message_id, timestamp=int(now.timestamp()), body=body
    )


def _seconds(now: datetime) -> str:
    return str(int(now.timestamp()))
