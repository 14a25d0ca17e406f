"""Webhooks over HTTP: for admins, who decide where the registry sends what it knows."""

from typing import Annotated

from fastapi import Path, Query, Response

from registry.api import wire_webhooks as wire
from registry.api.access import Known, Opened, guarded
from registry.core import cursor
from registry.usecases import webhooks

router = guarded("webhooks")

_LIST, _LETTERS = "webhooks", "dead letters of "
MaxResults = Annotated[int, Query(alias="maxResults", ge=1, le=1000)]
PageToken = Annotated[str, Query(alias="pageToken", max_length=2000)]
Index = Annotated[int, Path(ge=0, lt=2**63)]


@router.post("/v1/webhooks", status_code=201, summary="Send events to an address from now on")
def create(registry: Opened, caller: Known, new: wire.NewWebhook) -> wire.WebhookDocument:
    """`secret` in the answer signs what is sent. It is not shown again."""
    made = webhooks.create(registry, new.wish(), caller, form=new.form)
    return wire.webhook_document(made.webhook, secret=made.secret)


@router.get("/v1/webhooks", summary="All webhooks, by name")
def list_webhooks(
    registry: Opened, max_results: MaxResults = 100, page_token: PageToken = ""
) -> wire.WebhookList:
    after = cursor.decode(page_token, asked=_LIST, kinds=(str,))[0] if page_token else ""
    found = webhooks.page(registry, after=str(after), limit=max_results + 1)
    shown = found[:max_results]
    return wire.WebhookList(
        webhooks=[wire.webhook_document(row) for row in shown],
        next_page_token=(
            cursor.encode((shown[-1].name,), asked=_LIST) if len(found) > len(shown) else None
        ),
    )


@router.get("/v1/webhooks/{webhook}", summary="One webhook, and how far it has come")
def get(registry: Opened, webhook: str) -> wire.WebhookDocument:
    return wire.webhook_document(webhooks.get(registry, webhook))


@router.patch("/v1/webhooks/{webhook}", summary="Change, pause or resume a webhook")
def change(
    registry: Opened, caller: Known, webhook: str, edit: wire.WebhookEdit
) -> wire.WebhookDocument:
    return wire.webhook_document(webhooks.change(registry, webhook, edit.wish(), caller))


@router.delete("/v1/webhooks/{webhook}", status_code=204, summary="Remove a webhook")
def remove(registry: Opened, caller: Known, webhook: str) -> Response:
    """Its dead letters go with it."""
    webhooks.remove(registry, webhook, caller)
    return Response(status_code=204)


@router.post("/v1/webhooks/{webhook}/test", summary="Send one event that tells nothing")
def test(registry: Opened, webhook: str) -> wire.Attempt:
    """Its type is `dev.plimsoll.webhook.test.v1`; the answer says whether it was taken."""
    return wire.attempt(webhooks.try_out(registry, webhook))


@router.get("/v1/webhooks/{webhook}/dead-letters", summary="What could not be delivered")
def dead_letters(
    registry: Opened, webhook: str, max_results: MaxResults = 100, page_token: PageToken = ""
) -> wire.DeadLetterList:
    asked = _LETTERS + webhook
    last = cursor.decode(page_token, asked=asked, kinds=(int,))[0] if page_token else None
    after = last if isinstance(last, int) else -1
    found = webhooks.letters(registry, webhook, after=after, limit=max_results + 1)
    shown = found[:max_results]
    return wire.DeadLetterList(
        dead_letters=[wire.dead_letter_document(row) for row in shown],
        next_page_token=(
            cursor.encode((shown[-1].log_index,), asked=asked) if len(found) > len(shown) else None
        ),
    )


@router.post(
    "/v1/webhooks/{webhook}/dead-letters/{index}/redeliver", summary="Send a dead letter once more"
)
def redeliver(registry: Opened, webhook: str, index: Index) -> wire.Attempt:
    """Where the receiver takes it, it is no dead letter any more."""
    return wire.attempt(webhooks.redeliver(registry, webhook, index))
