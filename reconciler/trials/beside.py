"""Runs a team's own test in a container beside its candidate, until it ends or its time is over."""

import time
from collections.abc import Iterable

from reconciler.core.kinds import AcceptanceTemplate
from reconciler.core.kinds.trials import Container
from reconciler.core.trials import container
from reconciler.core.trials.container import Ended
from reconciler.core.trials.finding import Finding
from reconciler.engines.protocol import Engine, Trial, Trials
from reconciler.trials.subject import Subject
from registry import errors
from registry.core import canonical
from registry.core.canonical import Json

_LOOK_S = 0.2


def obstacles(engine: Engine, templates: Iterable[AcceptanceTemplate]) -> list[str]:
    """Why tests in containers could not run on a host, which is told before anything starts."""
    images = [one.spec.container.image for one in templates if one.spec.container is not None]
    return [reason for image in images for reason in engine.trials().obstacles(image)]


def alone(engine: Engine, instance: str) -> None:
    """Have nobody but its tests ask a candidate: what a test makes it do that was left by who died
    in the middle of it would be measured as the candidate's own."""
    try:
        trials = engine.trials()
    except errors.EngineRefused:
        return  # no test runs in a container there
    trials.end_all_of(instance)


def tried(subject: Subject, asked: Container, template: str) -> Finding:
    """The test's word. Raises `errors.Unavailable` where it wants to be run again, and what engines
    raise."""
    trials = subject.trials()
    name, candidate = subject.trial_name(template), subject.candidate
    told = container.told(
        asked,
        url=container.CANDIDATE,
        model=candidate.model,
        version=candidate.version,
        digest=subject.digest,
    )
    trial = Trial(
        name,
        subject.name,
        asked.image,
        asked.memory_bytes,
        asked.cpus,
        canonical.encode(told).decode(),
    )
    start = time.monotonic()
    try:
        trials.begin(trial)
        ended = _awaited(trials, name, start + asked.timeout_seconds)
    finally:
        trials.end(name)
    found = container.judged(asked, ended)
    metrics: dict[str, Json] = {
        "image": ended.image or asked.image,
        "exitCode": ended.code,
        "seconds": round(time.monotonic() - start, 1),
        "metrics": dict(found.metrics),
    }
    return Finding("container", found.reasons, metrics)


def _awaited(trials: Trials, name: str, until: float) -> Ended:
    while (ended := trials.look(name)) is None:
        if time.monotonic() >= until:
            return Ended(None, b"")
        time.sleep(_LOOK_S)
    return ended
