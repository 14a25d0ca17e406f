"""What witnesses said last, one row each, and the newest checkpoint that enough of them saw."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.db.tables_log import Cosignature, LogHead


def all_of(session: Session) -> Sequence[Cosignature]:
    """Every witness's last word."""
    return session.scalars(select(Cosignature).order_by(Cosignature.witness)).all()


def put(session: Session, said: Cosignature) -> bool:
    """Keep it as its witness's last word; False where a later one is kept already."""
    known = session.get(Cosignature, said.witness)
    if known is not None and (known.size, known.time) >= (said.size, said.time):
        return False
    session.merge(said)
    session.flush()
    return True


def set_cosigned(session: Session, text: str) -> None:
    """The newest note with enough cosignatures."""
    session.execute(update(LogHead).values(cosigned=text))


def set_contradiction(session: Session, text: str) -> None:
    """A note of this log's key that this log does not extend; empty to go on regardless."""
    session.execute(update(LogHead).values(contradiction=text))
