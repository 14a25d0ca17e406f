"""Signatures of webhooks, checked by the Standard Webhooks project's own package."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from registry.core import hmac_signature
from registry.errors import InvalidInput

KEY = bytes(range(32))


@given(key=st.binary(min_size=24, max_size=64), body=st.text(max_size=200))
def test_receivers_verify_what_was_signed(key: bytes, body: str) -> None:
    secret = hmac_signature.secret_text(key)
    assert hmac_signature.key_of(secret) == key
    headers = signed(key, body.encode())
    assert Webhook(secret).verify(body, headers, json_parse=False) is None


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body", "key"])
def test_nothing_of_a_message_can_be_exchanged(changed: str) -> None:
    headers, body, key = signed(KEY, b"{}"), "{}", KEY
    if changed == "body":
        body = "{ }"
    elif changed == "key":
        key = bytes(32)
    else:
        headers[changed] = str(int(headers[changed]) + 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(hmac_signature.secret_text(key)).verify(body, headers)


@pytest.mark.parametrize(
    "secret", ["", "hunter2", "whsec_", "whsec_short", "whsec_" + "A" * 31, "whsec_" + "A" * 400]
)
def test_a_secret_that_is_weak_or_of_another_form_is_refused(secret: str) -> None:
    with pytest.raises(InvalidInput):
        hmac_signature.key_of(secret)


def signed(key: bytes, body: bytes) -> dict[str, str]:
    now = int(time.time())
    return {
        "webhook-id": "42",
        "webhook-timestamp": str(now),
        "webhook-signature": hmac_signature.sign(key, message_id="42", timestamp=now, body=body),
    }
