"""What an engine says of a route whose traffic it cannot divide: no, before anything changes.

A share that was dropped in silence would leave a candidate untried that is taken for tried.
"""

from reconciler.core.observed import Route
from registry import errors


def whole(route: Route) -> Route:
    """`route`, where all of its traffic goes to one instance."""
    if route.share is None:
        return route
    raise errors.EngineRefused(
        f"{route.model} can go to one instance of a host, not in part to {route.share.instance}",
        fix="choose a strategy that moves all traffic at once, such as blueGreen",
    )
