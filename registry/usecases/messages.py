"""Log entries, and trials, as signed messages to one webhook's receiver."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from registry.core import canonical, cloudevent, hmac_signature, mlflow_events, slack_events
from registry.core.canonical import Json
from registry.db.tables_events import Webhook
from registry.usecases import log, telling
from registry.usecases.opening import Registry
from registry.usecases.posting import Message

CLOUDEVENTS, MLFLOW, SLACK = "cloudevents", "mlflow", "slack"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a webhook's messages go, in which form, and the key that they are signed with.

    `events` are those of the MLflow form; a receiver of that form may have an empty key, one of
    Slack's has no other.
    """

    webhook: str
    url: str
    key: bytes
    form: str
    events: tuple[mlflow_events.Event, ...]


def receiver(registry: Registry, found: Webhook) -> Receiver:
    """Raises IntegrityError where the secret was sealed with another key."""
    key = registry.vault.open(found.secret, owner=found.id)
    events = mlflow_events.parse(found.options["events"]) if found.form == MLFLOW else ()
    return Receiver(found.id, found.url, key, found.form, events)


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
) -> Message:
    """Only to see whether the receiver takes what is sent; `event` is of the MLflow form."""
    trial, time = f"test-{secrets.token_hex(8)}", log.stamp(now)
    if to.form == MLFLOW:
        return _mlflow(to, trial, mlflow_events.of_trial(event or to.events[0], time=time), now)
    if to.form == SLACK:
        return _slack(to, slack_events.of_trial())
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
