"""Log entries, and trials, as signed messages to one webhook's receiver."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from registry.core import canonical, cloudevent, hmac_signature
from registry.core.canonical import Json
from registry.db.tables_events import Webhook
from registry.usecases import log
from registry.usecases.opening import Registry
from registry.usecases.posting import Message


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a webhook's messages go, and the key that they are signed with."""

    webhook: str
    url: str
    key: bytes


def receiver(registry: Registry, found: Webhook) -> Receiver:
    """Raises IntegrityError where the secret was sealed with another key."""
    return Receiver(found.id, found.url, registry.vault.open(found.secret, owner=found.id))


def of_entry(
    registry: Registry, to: Receiver, *, index: int, leaf: bytes, now: datetime
) -> Message:
    """The same body and id each time; the time and the signature over it are new."""
    event = cloudevent.of_entry(index, leaf, origin=registry.settings.origin)
    return _signed(to, event, now)


def of_trial(registry: Registry, to: Receiver, *, now: datetime) -> Message:
    """Only to see whether the receiver takes what is sent."""
    event = cloudevent.of_trial(
        f"test-{secrets.token_hex(8)}",
        to.webhook,
        origin=registry.settings.origin,
        time=log.stamp(now),
    )
    return _signed(to, event, now)


def _signed(to: Receiver, event: dict[str, Json], now: datetime) -> Message:
    body, message_id, seconds = canonical.encode(event), str(event["id"]), int(now.timestamp())
    signature = hmac_signature.sign(to.key, message_id=message_id, timestamp=seconds, body=body)
    headers = {
        "Content-Type": f"{cloudevent.MEDIA_TYPE}; charset=utf-8",
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature,
    }
    return Message(to.url, headers, body)
