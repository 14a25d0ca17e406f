"""Hosts of the fleet and what runs there, as reports, enrolments and agents tell it."""

from registry import errors
from registry.core import cursor
from registry.db import fleet_hosts as rows
from registry.db.fleet_hosts import Seen
from registry.db.tables_log import DeploymentHost
from registry.usecases.opening import Registry
from registry.usecases.search import Found

PAGE = 50


def page(registry: Registry, *, token: str = "") -> Found[Seen]:
    """By name; raises InvalidInput."""
    after = ""
    if token:
        (last,) = cursor.decode(token, asked="hosts", kinds=(str,))
        after = str(last)
    with registry.database.reading() as session:
        found = rows.page(session, after=after, limit=PAGE + 1)
    shown = found[:PAGE]
    if len(found) == len(shown):
        return Found(shown, None)
    return Found(shown, cursor.encode((shown[-1].name,), asked="hosts"))


def one(registry: Registry, host: str, *, token: str = "") -> tuple[Seen, Found[DeploymentHost]]:
    """What is known of the host, and a page of what runs there; raises NotFound, InvalidInput."""
    asked, behind = f"on host {host}", None
    if token:
        severity, environment, name = cursor.decode(token, asked=asked, kinds=(int, str, str))
        behind = (int(str(severity)), str(environment), str(name))
    with registry.database.reading() as session:
        (seen,) = rows.some(session, [host])
        found = rows.on_host(session, host, behind=behind, limit=PAGE + 1)
    if seen.enrolled is None and seen.agent is None and not seen.deployments:
        raise errors.NotFound(
            f"nobody told of a host {host[:80]!r}", fix="see the list of hosts for those there are"
        )
    shown = found[:PAGE]
    if len(found) == len(shown):
        return seen, Found(shown, None)
    last = shown[-1]
    position = (last.severity, last.environment, last.name)
    return seen, Found(shown, cursor.encode(position, asked=asked))
