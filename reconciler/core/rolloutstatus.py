"""Where a rollout under way is, and what a person can do about it, for statuses. Pure."""

from reconciler.core.desired import Deployment
from reconciler.core.rollout import Rollout
from reconciler.core.strategies import program as programs
from reconciler.core.strategies import table
from reconciler.core.strategies.progress import Progress, Verb
from registry.core.canonical import Json

_COMMANDS = {
    Verb.PROMOTE: ("go on with the next step", "promote {key} --reason WHY"),
    Verb.PROMOTE_FULL: ("move all traffic now", "promote {key} --full --reason WHY"),
    Verb.RESUME: ("begin this step again", "resume {key} --reason WHY"),
    Verb.PAUSE: ("stay at this step", "pause {key} --reason WHY"),
    Verb.ABORT: ("go back", "abort {key} --reason WHY"),
}


def document(deployment: Deployment | None, known: Rollout | None) -> Json:
    """Its JSON form; None where no rollout of what Git asks for is under way."""
    found = None if known is None else known.progress
    if deployment is None or found is None or found.revision != deployment.revision:
        return None
    program = deployment.program
    share = None if found.has_switched else programs.share_at(program, found.index, "")
    weight = 100 if found.has_switched else 0 if share is None else share.weight
    at = min(found.index, len(program.steps) - 1)
    return {
        "strategy": _strategy(deployment),
        "state": found.state.value,
        "step": at + 1,
        "steps": len(program.steps),
        "name": programs.name(program.steps[at]),
        "weight": weight,
        "mirror": 0 if share is None else share.mirror,
        "headers": [] if share is None else [*sorted({one.name for one in share.headers})],
        "since": found.since,
        "reason": found.reason,
        "commands": [*_commands(deployment.key, found)],
    }


def _strategy(deployment: Deployment) -> str:
    return "experiment" if deployment.trial else deployment.manifest.spec.strategy.name


def _commands(key: str, progress: Progress) -> list[Json]:
    """One for each thing that can become of it: in a pause, to resume is to promote."""
    found: list[Json] = []
    seen = set[table.Move]()
    for verb, move in table.possible(progress).items():
        if move not in seen:
            does, words = _COMMANDS[verb]
            command = f"plimsoll {words.format(key=key)}"
            found.append({"verb": verb.value, "does": does, "command": command})
        seen.add(move)
    return found
