"""Evidence as the version's page shows it: signed by whom, why, and whether it still counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.core.evidence import Kind
from registry.db.tables_evidence import Evidence
from registry.pages import views
from registry.pages.views import Moment, Status
from registry.pages.wording import phrase

_WORDS = {
    Kind.SIGNATURE: phrase("signed"),
    Kind.APPROVAL: phrase("approved"),
    Kind.PROVENANCE: phrase("provenance"),
    Kind.EXPLANATION: phrase("explained"),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One line. `by` is the signer's name in the trust root."""

    status: Status
    by: str
    at: Moment
    note: str
    id: str
    digest: str
    log_index: int


def statements(rows: Sequence[Evidence], now: datetime) -> list[Statement]:
    """The newest first."""
    return [
        Statement(
            _status(row),
            row.signer,
            views.moment(row.created_at, now),
            row.note,
            row.statement,
            row.digest,
            row.log_index,
        )
        for row in reversed(rows)
    ]


def _status(row: Evidence) -> Status:
    word, tone = _said(row)
    if row.revoked_by is not None:
        return Status("evidence", phrase("%(what)s, revoked", what=word), "quiet")
    return Status("evidence", word, tone)


def _said(row: Evidence) -> tuple[str, str]:
    match Kind(row.kind):
        case Kind.TEST_RESULT:
            if row.passed:
                return phrase("tests passed"), "good"
            return phrase("tests did not pass"), "bad"
        case Kind.REVOCATION:
            if row.revokes:
                return phrase("revocation"), "warn"
            return phrase("quarantined"), "bad"
        case kind:
            return _WORDS[kind], "good"
