"""Originals of marked versions stay here: everybody else gets what carries the mark.

Whoever could fetch the original by its digest would have a copy that names nobody.
"""

from collections.abc import Collection, Sequence

from registry import errors
from registry.core.identity import Caller, Role
from registry.db import watermarks
from registry.db.engine import Session
from registry.usecases.opening import Registry


def require_given(registry: Registry, digests: Sequence[str], by: Caller | None) -> None:
    """Raise Forbidden for bytes that are of an original alone, unless to an admin."""
    if by is not None and by.role is Role.ADMIN:
        return
    with registry.database.reading() as session:
        found = watermarks.withheld(session, digests)
    if not found:
        return
    raise errors.Forbidden(
        f"{found[0]} is of the original of a marked version, which stays in the registry",
        fix="take the version itself: its manifest names the marked files",
    )


def require_publishable(session: Session, digests: Collection[str], by: Caller) -> None:
    """Raise Forbidden where a version without a mark would give an original away.

    Whoever knows its digest, which is no secret, could have it published under another name.
    """
    if by.role is Role.ADMIN:
        return
    found = watermarks.withheld(session, digests)
    if found:
        raise errors.Forbidden(
            f"{found[0]} was published with a watermark before, and is to be published without",
            fix="publish it with --watermark, or have an admin publish it without",
        )
