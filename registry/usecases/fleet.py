"""The fleet at a glance: how many deployments stand how, and a page of them, the worst first."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from registry.core import cursor
from registry.core.scope import Scope
from registry.core.standing import SUBJECTS
from registry.db import fleet as rows
from registry.db import log as log_rows
from registry.db.fleet import Count, Wanted
from registry.db.tables_log import Deployment
from registry.usecases import scoping
from registry.usecases.opening import Registry
from registry.usecases.search import Found

PAGE = 50
# SQLite binds no more than some thousand values; whoever is granted more models sees the first.
_MODELS = 5000


@dataclass(frozen=True, slots=True)
class Glance:
    """Deployments by the words of each status, in all and by environment."""

    total: int
    statuses: Mapping[str, Mapping[str, int]]
    environments: Mapping[str, Mapping[str, Mapping[str, int]]]


def glance(registry: Registry, scope: Scope) -> Glance:
    """Of all deployments whose model is covered."""
    counted = _covered(registry, scope)
    environments: dict[str, list[Count]] = {}
    for one in counted:
        environments.setdefault(one.environment, []).append(one)
    return Glance(
        sum(one.count for one in counted),
        _by_status(counted),
        {name: _by_status(some) for name, some in sorted(environments.items())},
    )


def page(
    registry: Registry, scope: Scope, wanted: Wanted, *, limit: int = PAGE, token: str = ""
) -> Found[Deployment]:
    """Those that fit, the worst first; raises InvalidInput."""
    asked = f"fleet {wanted}"
    behind = None
    if token:
        severity, environment, name = cursor.decode(token, asked=asked, kinds=(int, str, str))
        behind = (int(str(severity)), str(environment), str(name))
    if not scope.is_everything:
        wanted = replace(wanted, models=_models(_covered(registry, scope)))
    with registry.database.reading() as session:
        found = rows.page(session, wanted, behind=behind, limit=limit + 1)
    shown = found[:limit]
    if len(found) == len(shown):
        return Found(shown, None)
    last = shown[-1]
    position = (last.severity, last.environment, last.name)
    return Found(shown, cursor.encode(position, asked=asked))


def mark(registry: Registry) -> str:
    """Another one whenever an entry was logged, a status told or dropped, or a request taken."""
    with registry.database.reading() as session:
        head = log_rows.head(session)
        return f"{head.size if head else 0}-{rows.changes(session)}"


def _covered(registry: Registry, scope: Scope) -> list[Count]:
    with registry.database.reading() as session:
        counted = rows.counts(session)
    return scoping.only(registry, scope, counted, lambda one: one.model)


def _models(counted: Collection[Count]) -> list[str]:
    return sorted({one.model for one in counted})[:_MODELS]


def _by_status(counted: Sequence[Count]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {subject: Counter() for subject in SUBJECTS}
    for one in counted:
        found["sync"][one.sync] += one.count
        found["health"][one.health] += one.count
        found["trust"][one.trust] += one.count
    return {subject: dict(words) for subject, words in found.items()}
