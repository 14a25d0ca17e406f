"""Entries of the log: what happened, to which digest, where, from which commit, and why.

A leaf is the canonical JSON of one entry, at most 65535 bytes (C2SP tlog-tiles counts an
entry's length in 16 bits).
"""

from dataclasses import dataclass, field
from enum import StrEnum

from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.errors import InvalidInput, TooLarge

LEAF_LIMIT = 65535
_WHAT = "log entry"


class Kind(StrEnum):
    """Everything that can happen; the names are stable, auditors query by them."""

    REGISTERING = "registering"
    REGISTRATION_FAILED = "registration_failed"
    WATERMARKED = "watermarked"
    PUBLISHED = "published"
    WATERMARK_DETECTED = "watermark_detected"
    WATERMARK_KEY_GIVEN = "watermark_key_given"
    SIGNED = "signed"
    APPROVED = "approved"
    ATTESTED = "attested"
    EXPLAINED = "explained"
    REVOKED = "revoked"
    MODEL_CREATED = "model_created"
    MODEL_CHANGED = "model_changed"
    MODEL_DELETED = "model_deleted"
    VERSION_CHANGED = "version_changed"
    VERSION_DELETED = "version_deleted"
    ALIAS_MOVED = "alias_moved"
    ALIAS_REMOVED = "alias_removed"
    TOKEN_CREATED = "token_created"  # noqa: S105  the name of an event
    TOKEN_REVOKED = "token_revoked"  # noqa: S105  the name of an event
    HOST_INVITED = "host_invited"
    HOST_ENROLLED = "host_enrolled"
    HOST_RENEWED = "host_renewed"
    HOST_REVOKED = "host_revoked"
    HOST_CLAIMED = "host_claimed"
    HOST_RELEASED = "host_released"
    PERSON_ERASED = "person_erased"
    ACCESS_REFUSED = "access_refused"
    WEBHOOK_CREATED = "webhook_created"
    WEBHOOK_CHANGED = "webhook_changed"
    WEBHOOK_REMOVED = "webhook_removed"
    HELD = "held"
    RELEASED = "released"
    EXPIRED = "expired"
    ERASED = "erased"
    BACKED_UP = "backed_up"
    RESTORED = "restored"
    ENCRYPTED = "encrypted"
    KEYS_ROTATED = "keys_rotated"
    KEYS_RETIRED = "keys_retired"
    ARTIFACT_PUSHED = "artifact_pushed"
    ARTIFACT_DELETED = "artifact_deleted"
    PACKAGED = "packaged"
    DECIDED = "decided"
    PERMITTED = "permitted"
    PULLED = "pulled"
    VERIFIED = "verified"
    REFUSED = "refused"
    LOADED = "loaded"
    STARTING = "starting"
    STARTED = "started"
    TESTED = "tested"
    ANALYSED = "analysed"
    DEPLOYING = "deploying"
    DEPLOYED = "deployed"
    SHIFTING = "shifting"
    SHIFTED = "shifted"
    STEERED = "steered"
    REQUESTED = "requested"
    REQUEST_ENDED = "request_ended"
    RESTARTED = "restarted"
    REMOVED = "removed"
    HOOK_CALLED = "hook_called"
    GAVE_UP = "gave_up"
    QUARANTINED = "quarantined"
    ROLLED_BACK = "rolled_back"
    REVERT_PUSHED = "revert_pushed"
    REVERT_PROPOSED = "revert_proposed"
    REVERT_WITHDRAWN = "revert_withdrawn"
    EXPERIMENT_BEGUN = "experiment_begun"
    EXPERIMENT_DECIDED = "experiment_decided"
    EXPERIMENT_PROPOSED = "experiment_proposed"
    PROMOTION_DECIDED = "promotion_decided"
    PROMOTION_WITHDRAWN = "promotion_withdrawn"
    FOLLOWED = "followed"
    FOLLOW_WITHDRAWN = "follow_withdrawn"
    COMMIT_VERIFIED = "commit_verified"
    COMMIT_REFUSED = "commit_refused"
    COMMIT_ACCEPTED = "commit_accepted"


@dataclass(frozen=True, slots=True)
class Entry:
    """`time` is RFC 3339 in UTC; `actor` is `role:name` of the token; empty means not meant."""

    time: str
    kind: Kind
    actor: str
    model: str = ""
    version: int = 0
    digest: str = ""
    host: str = ""
    deployment: str = ""
    commit: str = ""
    reason: str = ""
    detail: dict[str, Json] = field(default_factory=dict)


_FIELDS = frozenset(Entry.__slots__)


def encode(entry: Entry) -> bytes:
    """The leaf of `entry`; what is empty is left out. Raises `TooLarge`."""
    said = [(name, getattr(entry, name)) for name in Entry.__slots__]
    document: dict[str, Json] = {name: value for name, value in said if value not in ("", 0, {})}
    leaf = canonical.encode(document)
    if len(leaf) > LEAF_LIMIT:
        raise TooLarge(
            f"{_WHAT} of kind {entry.kind} has {len(leaf)} bytes, at most {LEAF_LIMIT} fit",
            fix="shorten the reason or the detail",
        )
    return leaf


def decode(leaf: bytes) -> Entry:
    """Read a leaf; raises `InvalidInput` for fields it does not know."""
    document = canonical.decode_object(leaf, what=_WHAT)
    unknown = document.keys() - _FIELDS
    if unknown:
        raise InvalidInput(f"{_WHAT} has the unknown field {min(unknown)!r}")
    return Entry(
        time=fields.text(document, "time", what=_WHAT),
        kind=kind(fields.text(document, "kind", what=_WHAT)),
        actor=fields.text(document, "actor", what=_WHAT),
        version=fields.integer(document, "version", what=_WHAT) if "version" in document else 0,
        detail=fields.mapping(document, "detail", what=_WHAT) if "detail" in document else {},
        **{
            name: fields.text(document, name, what=_WHAT)
            for name in ("model", "digest", "host", "deployment", "commit", "reason")
            if name in document
        },
    )


def role_and_name(actor: str) -> tuple[str, str]:
    """The two parts of an actor; the role is empty where there is a name alone."""
    role, colon, name = actor.partition(":")
    return (role, name) if colon else ("", actor)


def kind(text: str) -> Kind:
    """The kind called `text`; raises `InvalidInput`."""
    try:
        return Kind(text)
    except ValueError as error:
        raise InvalidInput(
            f"{_WHAT} kind {text[:40]!r} does not exist", fix=f"use one of {', '.join(Kind)}"
        ) from error
