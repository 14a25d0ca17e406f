"""CloudEvents 1.0 made of log entries. The log is the outbox, so an event's id is its index.

The same entry is the same event for ever, byte for byte, however often it is sent: a receiver
drops what it has seen by `source` and `id`.
"""

from urllib.parse import quote

from registry.core import canonical, fields
from registry.core.canonical import Json

MEDIA_TYPE = "application/cloudevents+json"

_WHAT = "log entry"
# What an entry is about, where its kind's first word does not say it.
_OF_DEPLOYMENTS = frozenset(
    {
        "permitted", "starting", "started", "tested", "analysed", "deploying", "deployed",
        "shifting", "shifted", "steered", "restarted", "removed", "hook_called", "gave_up",
        "requested", "request_ended",
        "quarantined", "rolled_back", "revert_pushed", "revert_proposed", "revert_withdrawn",
        "commit_verified", "commit_refused", "commit_accepted", "followed", "follow_withdrawn",
    }
)  # fmt: skip
_OF_VERSIONS = frozenset(
    {
        "registering", "registration_failed", "published", "pulled", "verified", "refused",
        "watermarked", "loaded", "held", "released", "expired", "erased", "signed", "approved",
        "attested", "explained", "revoked", "decided", "packaged",
    }
)  # fmt: skip

_OF_THE_REGISTRY = frozenset({"backed_up", "restored", "encrypted", "keys_rotated", "keys_retired"})


def type_of(kind: str) -> str:
    """The event type of a log entry's kind, known to this release or not: `…alias.moved.v1`."""
    subject = _subject(kind)
    return f"dev.plimsoll.{subject}.{kind.removeprefix(f'{subject}_')}.v1"


def of_entry(index: int, leaf: bytes, *, origin: str) -> dict[str, Json]:
    """The event that says what `leaf`, entry `index` of the log `origin`, says."""
    entry = canonical.decode_object(leaf, what=_WHAT)
    event: dict[str, Json] = {
        "specversion": "1.0",
        "id": str(index),
        "source": _source(origin),
        "type": type_of(fields.text(entry, "kind", what=_WHAT)),
        "time": fields.text(entry, "time", what=_WHAT),
        "datacontenttype": "application/json",
        "data": entry,
    }
    about = _about(entry)
    return event | {"subject": about} if about else event


def of_trial(trial: str, webhook: str, *, origin: str, time: str) -> dict[str, Json]:
    """An event that tells nothing: it only shows that a receiver takes events. Not in the log."""
    return {
        "specversion": "1.0",
        "id": trial,
        "source": _source(origin),
        "type": type_of("webhook_test"),
        "time": time,
        "datacontenttype": "application/json",
        "subject": webhook,
        "data": {"webhook": webhook},
    }


def _subject(kind: str) -> str:
    if kind in _OF_DEPLOYMENTS:
        return "deployment"
    if kind in _OF_VERSIONS:
        return "version"
    if kind in _OF_THE_REGISTRY:
        return "registry"
    return kind.partition("_")[0]


def _about(entry: dict[str, Json]) -> str:
    """The deployment; else the version, as model/version; else the model."""
    deployment, model, version = (entry.get(key) for key in ("deployment", "model", "version"))
    if isinstance(deployment, str):
        return deployment
    if not isinstance(model, str):
        return ""
    return f"{model}/{version}" if version else model


def _source(origin: str) -> str:
    """CloudEvents 1.0, `source`: a URI-reference, and a log's origin is almost one."""
    return quote(origin, safe="/:@!$&'()*+,;=~")
