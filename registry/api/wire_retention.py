"""What travels about retention, sweeps, holds and erasure; the command line prints the same."""

from collections import Counter
from datetime import datetime
from typing import Annotated

from pydantic import Field

from registry.api.wire import Document
from registry.core.retention import Expire, Keep
from registry.db.tables_retention import Hold
from registry.usecases import retention
from registry.usecases.erasure import Erased
from registry.usecases.sweep import Swept, Tally

Reason = Annotated[str, Field(min_length=1, max_length=2000)]
_MOST = 1000


class NewSweep(Document):
    """`graceHours` in place of the setting; 0 takes also what was uploaded just now."""

    grace_hours: Annotated[float, Field(ge=0, le=1_000_000)] | None = None


class ExpiringDocument(Document):
    """A version whose bytes may go; its record stays."""

    model: str
    version: int
    digest: str
    bytes: int
    reason: str


class TallyDocument(Document):
    """`first` names some of them."""

    count: int
    bytes: int
    first: list[str]


class SweepDocument(Document):
    """Bytes that nobody refers to: `removed`, `condemned` to go later, `waiting` to go.

    `adopted` are stored and in no table, `missing` are referred to and not stored: damage.
    `leftovers` are files of killed processes. `leasedBy` keeps all bytes where they are.
    """

    removed: TallyDocument
    condemned: TallyDocument
    waiting: TallyDocument
    adopted: TallyDocument
    missing: TallyDocument
    leftovers: TallyDocument
    leased_by: str


class RetentionDocument(Document):
    """`expiring` lists the first of `expiringCount`; `kept` counts the others by reason."""

    expiring: list[ExpiringDocument]
    expiring_count: int
    expiring_bytes: int
    kept: dict[str, int]
    sweep: SweepDocument


class NewHold(Document):
    """Without `version` all of the model is held."""

    model: Annotated[str, Field(max_length=128)]
    version: Annotated[int, Field(gt=0, lt=2**63)] | None = None
    reason: Reason


class WithReason(Document):
    """Why; it is kept in the log for good, so it should name no person."""

    reason: Reason


class HoldDocument(Document):
    """Null `version`: all of the model. Null `releasedAt`: it holds."""

    id: int
    model: str
    version: int | None
    reason: str
    placed_by: str
    placed_at: datetime
    released_reason: str | None
    released_by: str | None
    released_at: datetime | None


class HoldList(Document):
    holds: list[HoldDocument]
    next_page_token: str | None = None


class ErasedDocument(Document):
    """`shared` bytes stay, each with who else refers to it; null `logIndex`: erased before."""

    model: str
    version: int
    digest: str
    log_index: int | None
    removed_blobs: int
    removed_bytes: int
    staged: int
    evidence: int
    keys: int
    shared: dict[str, list[str]]


class ErasedList(Document):
    erased: list[ErasedDocument]


def retention_document(
    decisions: retention.Plan, expired: list[Expire], swept: Swept
) -> RetentionDocument:
    """`expired` are those that went, or in a dry run would."""
    kept = Counter(str(one.why) for one in decisions.decisions if isinstance(one, Keep))
    return RetentionDocument(
        expiring=[
            ExpiringDocument(
                model=one.version.model,
                version=one.version.number,
                digest=one.version.digest,
                bytes=one.version.size,
                reason=one.reason,
            )
            for one in expired[:_MOST]
        ],
        expiring_count=len(expired),
        expiring_bytes=sum(one.version.size for one in expired),
        kept=dict(sorted(kept.items())),
        sweep=SweepDocument(
            removed=_tally(swept.removed),
            condemned=_tally(swept.condemned),
            waiting=_tally(swept.waiting),
            adopted=_tally(swept.adopted),
            missing=_tally(swept.missing),
            leftovers=_tally(swept.leftovers),
            leased_by=swept.leased,
        ),
    )


def hold_document(row: Hold) -> HoldDocument:
    return HoldDocument(
        id=row.id,
        model=row.model,
        version=row.version,
        reason=row.reason,
        placed_by=row.placed_by,
        placed_at=row.placed_at,
        released_reason=row.released_reason,
        released_by=row.released_by,
        released_at=row.released_at,
    )


def erased_document(done: Erased) -> ErasedDocument:
    return ErasedDocument(
        model=done.model,
        version=done.version,
        digest=done.digest,
        log_index=done.log_index,
        removed_blobs=done.removed_blobs,
        removed_bytes=done.removed_bytes,
        staged=done.staged,
        evidence=done.evidence,
        keys=done.keys,
        shared={digest: list(who) for digest, who in done.shared.items()},
    )


def _tally(found: Tally) -> TallyDocument:
    return TallyDocument(count=found.count, bytes=found.size, first=found.first)
