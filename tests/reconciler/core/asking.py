"""The commits that the scenarios of the planner push."""

from tests.reconciler.core.paper import Paper
from tests.reconciler.core.wishes import deployment_file, wish

BOTH = ("h1", "h2")
KEY = "production/digits"


def ask(paper: Paper, version: int, *, commit: str = "c2", hosts: tuple[str, ...] = BOTH) -> None:
    """A commit that asks for `version`."""
    paper.wish = wish({"digits": deployment_file("digits", version, hosts)}, commit=commit)
