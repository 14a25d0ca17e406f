"""What is remembered of a time that has not come yet, because the clock was set back. Pure.

It counts as of now: nothing waits for the clock to catch up, and no wait gets shorter than
it would be for something that happened at this moment.
"""

from dataclasses import replace

from reconciler.core.analysis import AnalysisRun
from reconciler.core.experiments.run import Run
from reconciler.core.following import run as following
from reconciler.core.promotions import run as promotions
from reconciler.core.rollout import Candidate, HostRollout, Quarantined, Rollout, Rollouts
from reconciler.core.strategies.progress import Progress


def not_ahead(rollouts: Rollouts, now: float) -> Rollouts:
    """`rollouts` with no time later than `now`; where there was none they are the same objects."""
    found = ((deployment, known, _rollout(known, now)) for deployment, known in rollouts.items())
    return {deployment: known if known == back else back for deployment, known, back in found}


def _rollout(known: Rollout, now: float) -> Rollout:
    return replace(
        known,
        hosts={host: _facts(facts, now) for host, facts in known.hosts.items()},
        quarantined=tuple(_quarantined(entry, now) for entry in known.quarantined),
        # When one was called first is part of its id.
        hooks=tuple(replace(run, last_at=min(run.last_at, now)) for run in known.hooks),
        progress=None if known.progress is None else _progress(known.progress, now),
        experiment=None if known.experiment is None else _experiment(known.experiment, now),
        promotion=None if known.promotion is None else _promotion(known.promotion, now),
        following=None if known.following is None else _following(known.following, now),
    )


def _promotion(run: promotions.Run, now: float) -> promotions.Run:
    told = replace(run.told, at=min(run.told.at, now))
    analysed = None if run.analysis is None else _run(run.analysis, now)
    before = None if run.overtaken is None else _promotion(run.overtaken, now)
    since = min(run.since, now)
    return replace(run, since=since, told=told, analysis=analysed, overtaken=before)


def _following(run: following.Run, now: float) -> following.Run:
    told = replace(run.told, at=min(run.told.at, now))
    return replace(run, since=min(run.since, now), told=told)


def _facts(facts: HostRollout, now: float) -> HostRollout:
    preflight = facts.preflight
    is_past = preflight is None or preflight.at <= now
    if is_past and facts.candidate is None and not facts.restarts and not facts.failures:
        return facts  # as of nearly all hosts at a start
    return replace(
        facts,
        # One that has not taken place yet is worth nothing.
        preflight=None if preflight is not None and preflight.at > now else preflight,
        candidate=None if facts.candidate is None else _candidate(facts.candidate, now),
        restarts=tuple(replace(one, at=min(one.at, now)) for one in facts.restarts),
        failures=tuple(replace(one, at=min(one.at, now)) for one in facts.failures),
    )


def _candidate(known: Candidate, now: float) -> Candidate:
    return replace(
        known,
        since=min(known.since, now),
        seen_at=min(known.seen_at, now),
        routed_at=None if known.routed_at is None else min(known.routed_at, now),
    )


def _quarantined(entry: Quarantined, now: float) -> Quarantined:
    failed = entry.failure
    failed = None if failed is None else replace(failed, at=min(failed.at, now))
    return replace(entry, at=min(entry.at, now), failure=failed)


def _progress(known: Progress, now: float) -> Progress:
    return replace(
        known,
        since=min(known.since, now),
        analysis=None if known.analysis is None else _run(known.analysis, now),
        beside=None if known.beside is None else _run(known.beside, now),
    )


def _experiment(run: Run, now: float) -> Run:
    return replace(run, began_at=min(run.began_at, now), looked_at=min(run.looked_at, now))


def _run(run: AnalysisRun, now: float) -> AnalysisRun:
    metrics = tuple(
        replace(one, taken=tuple(replace(each, at=min(each.at, now)) for each in one.taken))
        for one in run.metrics
    )
    return replace(run, metrics=metrics, began_at=min(run.began_at, now))
