"""Asks an identity provider for the tokens of somebody who has just come back from it.

RFC 6749, 4.1.3, with the verifier of RFC 7636, 4.5. The provider's own addresses are those of its
discovery document, and no answer of it is repeated to anybody.
"""

import base64
from urllib.parse import quote

import httpx2
import structlog

from registry import errors
from registry.core import canonical, fields, sign_in
from registry.settings_access import SignIn
from registry.trust import keys

_LOG = structlog.get_logger("registry.trust")
_TIMEOUT = httpx2.Timeout(10.0)
_LIMIT = 256 * 1024


def id_token(endpoint: str, client: SignIn, *, code: str, verifier: str, callback: str) -> str:
    """The ID token for `code`; raises Unauthenticated where the provider gives none for it."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback,
        "code_verifier": verifier,
    }
    headers = {"Accept": "application/json"}
    if client.secret is None:
        form["client_id"] = client.client
    else:
        headers["Authorization"] = _basic(client.client, _secret(client))
    try:
        with httpx2.Client(timeout=_TIMEOUT, follow_redirects=False) as connection:
            answer = connection.post(endpoint, data=form, headers=headers)
    except httpx2.HTTPError as error:
        raise errors.Unavailable(
            "your identity provider does not answer the registry",
            fix="try again; tokens of the registry's own work meanwhile",
        ) from error
    if answer.status_code != 200 or len(answer.content) > _LIMIT:
        _LOG.warning("code not redeemed", endpoint=endpoint, status=answer.status_code)
        raise sign_in.refused("your identity provider does not take the code: it is used or old")
    try:
        document = canonical.decode_object(answer.content, what="token response")
        return fields.text(document, "id_token", what="token response")
    except errors.InvalidInput as error:
        raise sign_in.refused("your identity provider sent no ID token") from error


def _secret(client: SignIn) -> str:
    if client.secret is None:
        return ""
    return keys.read_private(client.secret).decode(errors="replace").strip()


def _basic(name: str, secret: str) -> str:
    """RFC 6749, 2.3.1: both are form-encoded before they are joined, a space as any reader of
    either encoding takes it."""
    joined = f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()
    return f"Basic {base64.b64encode(joined).decode()}"
