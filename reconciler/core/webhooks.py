"""Whether a webhook is from who has the secret, by each forge's own way of showing it. Pure.

GitHub signs the body (`X-Hub-Signature-256`), and so do Gitea and Forgejo under names of their
own. GitLab signs id, time and body as Standard Webhooks say where its signing token is set, and
else sends the secret itself. Of what it says only the name of the event is looked at.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from enum import StrEnum

from registry.core import hmac_signature
from registry.errors import InvalidInput

_AGE_S = 300
_PUSHES = frozenset({"push", "push hook", "create", "delete", "tag push hook"})
_REQUESTS = frozenset({"merge request hook"})
_EVENTS = ("x-github-event", "x-gitea-event", "x-forgejo-event", "x-gitlab-event")


class Event(StrEnum):
    """What a webhook hints at. `OTHER` is nothing of ours."""

    PUSH = "push"
    REQUEST = "pull request"
    OTHER = "other"


def is_genuine(
    forge: str, headers: Mapping[str, str], body: bytes, *, secret: bytes, now: float
) -> bool:
    """Whether a `forge` that has `secret` sent this; an empty `forge` stands for any of them.

    `headers` are by their names in lower case. No secret, no webhook.
    """
    if not secret:
        return False
    found = False
    for name, check in _CHECKS.items():
        if forge in ("", name):
            found |= check(headers, body, secret, now)
    return found


def event(headers: Mapping[str, str]) -> Event:
    """What it hints at; what has no name may be anything, and so a push."""
    found = next((headers[name].lower() for name in _EVENTS if name in headers), "push")
    if found in _PUSHES:
        return Event.PUSH
    is_request = found.startswith("pull_request") or found in _REQUESTS
    return Event.REQUEST if is_request else Event.OTHER


def _github(headers: Mapping[str, str], body: bytes, secret: bytes, _: float) -> bool:
    return _same(headers, "x-hub-signature-256", f"sha256={_signed(body, secret)}")


def _gitea(headers: Mapping[str, str], body: bytes, secret: bytes, now: float) -> bool:
    signed = _signed(body, secret)
    own = ("x-gitea-signature", "x-forgejo-signature")
    return any(_same(headers, name, signed) for name in own) or _github(headers, body, secret, now)


def _gitlab(headers: Mapping[str, str], body: bytes, secret: bytes, now: float) -> bool:
    if "webhook-signature" not in headers:
        return hmac.compare_digest(headers.get("x-gitlab-token", "").encode(), secret)
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > _AGE_S:
        return False
    wanted = hmac_signature.sign(
        _key(secret), message_id=headers.get("webhook-id", ""), timestamp=int(stamp), body=body
    )
    given = headers["webhook-signature"].split(" ")
    return any(hmac.compare_digest(one.encode(), wanted.encode()) for one in given)


def _key(secret: bytes) -> bytes:
    """`whsec_` stands before a key in base64; anything else is a key as it is."""
    try:
        return hmac_signature.key_of(secret.decode())
    except (InvalidInput, UnicodeDecodeError):
        return secret


def _same(headers: Mapping[str, str], name: str, wanted: str) -> bool:
    return hmac.compare_digest(headers.get(name, "").encode(), wanted.encode())


def _signed(body: bytes, secret: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


_CHECKS: Mapping[str, Callable[[Mapping[str, str], bytes, bytes, float], bool]] = {
    "github": _github,
    "gitea": _gitea,
    "gitlab": _gitlab,
}
