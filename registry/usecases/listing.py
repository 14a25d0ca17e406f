"""Lists that only grow, page by page: deployments, and the moves of an alias."""

from registry.core import cursor
from registry.db import aliases, reports, tables
from registry.db.tables_log import Deployment
from registry.usecases.opening import Registry
from registry.usecases.search import PAGE, Found

_DEPLOYMENTS = "deployments"


def deployments(registry: Registry, *, limit: int = PAGE, token: str = "") -> Found[Deployment]:
    """Their last statuses, by environment and name; raises InvalidInput."""
    behind = None
    if token:
        environment, name = cursor.decode(token, asked=_DEPLOYMENTS, kinds=(str, str))
        behind = (str(environment), str(name))
    with registry.database.reading() as session:
        found = reports.page(session, behind=behind, limit=limit + 1)
    shown = found[:limit]
    if len(found) == len(shown):
        return Found(shown, None)
    last = shown[-1]
    return Found(shown, cursor.encode((last.environment, last.name), asked=_DEPLOYMENTS))


def moves(
    registry: Registry, model: str, alias: str, *, limit: int = PAGE, token: str = ""
) -> tuple[tables.Alias, Found[tables.AliasChange]]:
    """Where the alias points, and its moves, newest first; raises NotFound, InvalidInput."""
    asked = f"moves of {model}:{alias}"
    before: int | None = None
    if token:
        (last,) = cursor.decode(token, asked=asked, kinds=(int,))
        before = last if isinstance(last, int) else None
    with registry.database.reading() as session:
        pointing = aliases.get(session, model, alias)
        found = aliases.history(session, model, alias, before=before, limit=limit + 1)
    shown = found[:limit]
    following = None if len(found) == len(shown) else cursor.encode((shown[-1].id,), asked=asked)
    return pointing, Found(shown, following)
