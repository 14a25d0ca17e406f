"""Tokens: who they are for. The secret itself is never here."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.tables import Token


def find(session: Session, token_id: str) -> Token | None:
    """The token with this id, revoked or not; None where there is none."""
    return session.get(Token, token_id)


def of_role(session: Session, role: str) -> Sequence[Token]:
    """All with this role, oldest first."""
    return session.scalars(select(Token).where(Token.role == role).order_by(Token.created_at)).all()
