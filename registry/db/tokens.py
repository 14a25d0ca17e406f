"""Tokens: who they are for. The secret itself is never here."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.tables_log import Token


def find(session: Session, token_id: str) -> Token | None:
    """The token with this id, revoked or not; None where there is none."""
    return session.get(Token, token_id)


def page(session: Session, *, after: str, limit: int) -> Sequence[Token]:
    """Up to `limit` tokens whose ids come after `after`, by id."""
    statement = select(Token).where(Token.id > after).order_by(Token.id).limit(limit)
    return session.scalars(statement).all()
