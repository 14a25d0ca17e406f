"""Words that pages translate though they come from elsewhere: states, kinds, outcomes.

They are names in documents, the log and the API, where they stay as they are; templates translate
them where they show them (`{{ word | word }}`), so the catalogs must know each.
"""

from collections.abc import Iterator

from reconciler.core import actions
from reconciler.core.experiments.run import Verdict
from reconciler.core.rolloutstatus import _COMMANDS
from reconciler.core.stage import Stage
from reconciler.core.strategies.progress import State
from registry.core import asking, entries, standing
from registry.core.facts import Relation
from registry.core.history import Outcome
from registry.core.policy.areas import Area
from registry.db import tables

# What the explainer calls its units (registry.making.explaining.importance).
_UNITS = (
    "Distance of the score", "Rise of the error rate", "Rise of the squared error",
)  # fmt: skip


def words() -> set[str]:
    """All of them, as templates ask for them."""
    return set(_all()) - {""}


def _all() -> Iterator[str]:
    yield from (kind.value.replace("_", " ") for kind in entries.Kind)
    yield from standing.SEVERITIES
    yield from (subject.capitalize() for subject in standing.SUBJECTS)
    yield from (one.value for one in Outcome)
    yield from (one.value for one in Stage)
    yield from (one.value for one in State)
    yield from (one.value for one in asking.State)
    yield from (one.value for one in Verdict)
    yield from (one.value for one in Area)
    yield from (one.value.replace("_", "-") for one in Relation)
    yield from (does for does, _ in _COMMANDS.values())
    yield from (tables.PENDING, tables.READY, tables.FAILED, tables.EXPIRED, tables.ERASED)
    yield from ("elsewhere", "enforce", "audit", "allowed", "denied", "decided")
    yield from ("running", "unknown", *_UNITS)
    verbs = (getattr(one, "verb", None) for one in vars(actions).values())
    yield from (verb for verb in verbs if isinstance(verb, str))
