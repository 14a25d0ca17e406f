"""Tokens: minted once, listed without their secrets, revoked for ever."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query, Response

from registry import errors
from registry.api import wire
from registry.api.access import Known, Opened, guarded
from registry.db.tables_log import Token
from registry.usecases import access, scoping

router = guarded("tokens")


@router.post("/v1/tokens", status_code=201, summary="Mint a token, shown once")
def mint(registry: Opened, caller: Known, new: wire.NewToken) -> wire.MintedToken:
    """An admin mints any role; a reconciler only `host`, named after the host."""
    if new.role not in set(access.Role):
        raise errors.InvalidInput(
            f"role {new.role[:40]!r} does not exist", fix=f"use one of {', '.join(access.Role)}"
        )
    wish = access.Wish(
        access.Role(new.role),
        new.name,
        scoping.of_lists(new.models, new.projects),
        datetime.now(UTC) + timedelta(seconds=new.expires_in) if new.expires_in else None,
        new.certificate,
    )
    secret = access.mint_wish(registry, wish, caller)
    return wire.MintedToken(token=secret)


@router.get("/v1/tokens", summary="All tokens, without their secrets")
def tokens(
    registry: Opened,
    max_results: Annotated[int, Query(alias="maxResults", ge=1, le=1000)] = 100,
    page_token: Annotated[str, Query(alias="pageToken", max_length=16)] = "",
) -> wire.TokenList:
    """`nextPageToken` leads on; there is none on the last page."""
    found = access.listed(registry, after=page_token, limit=max_results + 1)
    shown = found[:max_results]
    return wire.TokenList(
        tokens=[_document(row) for row in shown],
        next_page_token=shown[-1].id if len(found) > len(shown) else None,
    )


@router.delete("/v1/tokens/{token}", status_code=204, summary="Revoke a token")
def revoke(
    registry: Opened,
    caller: Known,
    token: str,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """It is refused from the next request on; by other replicas, some seconds later."""
    access.revoke(registry, token, reason=reason, by=caller)
    return Response(status_code=204)


def _document(row: Token) -> wire.TokenDocument:
    scope = access.scope_of(row)
    return wire.TokenDocument(
        id=row.id,
        role=row.role,
        name=row.name,
        created_by=row.created_by,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        expires_at=row.expires_at,
        models=[*scope.models],
        projects=[*scope.projects],
    )
