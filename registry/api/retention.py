"""Retention, legal holds and erasure over HTTP, for admins; auditors may see what is held."""

from typing import Annotated

from fastapi import Path, Query

from registry.api import wire_retention as wire
from registry.api.access import Known, Opened, guarded
from registry.core import cursor
from registry.usecases import erasure, holds, retention, scoping, sweep
from registry.usecases.opening import Registry
from registry.usecases.sweep import Grace

router = guarded("retention")

_LIST = "holds"
Number = Annotated[int, Path(gt=0, lt=2**63)]


@router.post("/v1/retention/plan", summary="What would expire and be removed now, and why")
def plan(registry: Opened, wanted: wire.NewSweep | None = None) -> wire.RetentionDocument:
    """A dry run: nothing is changed."""
    planned = retention.plan(registry)
    swept = sweep.look(registry, _grace(registry, wanted))
    return wire.retention_document(planned, planned.expiring, swept)


@router.post("/v1/retention/apply", summary="Let versions expire by rule, and remove their bytes")
def apply(
    registry: Opened, caller: Known, wanted: wire.NewSweep | None = None
) -> wire.RetentionDocument:
    """Answers when all is done; interrupted, the same call goes on where it ended."""
    planned = retention.plan(registry)
    expired = retention.apply(registry, planned, caller)
    swept = sweep.sweep(registry, _grace(registry, wanted))
    return wire.retention_document(planned, expired, swept)


@router.post("/v1/holds", status_code=201, summary="Place a legal hold")
def place(registry: Opened, caller: Known, new: wire.NewHold) -> wire.HoldDocument:
    """What is held does not expire, and cannot be erased or deleted, until it is released."""
    scoping.require(registry, caller, new.model)
    hold = holds.place(registry, model=new.model, version=new.version, reason=new.reason, by=caller)
    return wire.hold_document(hold)


@router.get("/v1/holds", summary="Legal holds, oldest first")
def list_holds(
    registry: Opened,
    with_released: Annotated[bool, Query(alias="withReleased")] = False,  # noqa: FBT002  a query
    max_results: Annotated[int, Query(alias="maxResults", ge=1, le=1000)] = 100,
    page_token: Annotated[str, Query(alias="pageToken", max_length=2000)] = "",
) -> wire.HoldList:
    last = cursor.decode(page_token, asked=_LIST, kinds=(int,))[0] if page_token else None
    after = last if isinstance(last, int) else 0
    found = holds.page(registry, with_released=with_released, after=after, limit=max_results + 1)
    shown = found[:max_results]
    return wire.HoldList(
        holds=[wire.hold_document(row) for row in shown],
        next_page_token=(
            cursor.encode((shown[-1].id,), asked=_LIST) if len(found) > len(shown) else None
        ),
    )


@router.post("/v1/holds/{hold}/release", summary="Release a legal hold")
def release(
    registry: Opened, caller: Known, hold: Number, why: wire.WithReason
) -> wire.HoldDocument:
    return wire.hold_document(holds.release(registry, hold, reason=why.reason, by=caller))


@router.post(
    "/v1/models/{name}/versions/{version}/erase",
    summary="Erase a version's bytes and personal data",
)
def erase_version(
    registry: Opened, caller: Known, name: str, version: Number, why: wire.WithReason
) -> wire.ErasedDocument:
    """For good. A tombstone stays: number, digests, and the log's entries."""
    done = erasure.erase(registry, model=name, version=version, reason=why.reason, by=caller)
    return wire.erased_document(done)


@router.post("/v1/models/{name}/erase", summary="Erase a model with all its versions")
def erase_model(
    registry: Opened, caller: Known, name: str, why: wire.WithReason
) -> wire.ErasedList:
    """For good. Interrupted, the same call goes on where it ended."""
    done = erasure.erase_model(registry, model=name, reason=why.reason, by=caller)
    return wire.ErasedList(erased=[wire.erased_document(one) for one in done])


def _grace(registry: Registry, wanted: wire.NewSweep | None) -> Grace:
    asked = wanted.grace_hours if wanted is not None else None
    return Grace.of(registry.settings.retention.grace_hours if asked is None else asked)
