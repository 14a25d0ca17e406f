"""What Git is told of a winner, where the experiment's file says so. Pure.

The version changes by that commit only: until it is in force all users are the control's.
"""

from collections.abc import Iterator

from reconciler.core import edit
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.experiments import applied
from reconciler.core.experiments.acts import Propose
from reconciler.core.experiments.run import Run, Verdict
from reconciler.core.fleet import Fleet
from reconciler.core.reasons import Reason, Why

_LONGEST_BACKOFF_S = 600.0


def steps(fleet: Fleet, deployment: Deployment, run: Run) -> Iterator[Action | Wait]:
    """Nothing once Git was told, or asks for another version than the control anyway."""
    decision, spec = run.decision, run.spec
    if decision is None or decision.verdict is not Verdict.TREATMENT or spec.promote == "never":
        return
    is_elsewhere = deployment.pin is not None or applied.mismatched(deployment.manifest, spec)
    if run.told.where or is_elsewhere or not fleet.common.proposes:
        return
    treatment = spec.treatment
    words = f"version {treatment.version} has won the experiment {run.name}"
    if said := by_hand(deployment):
        text = f"{words}: {said}"
        yield Wait(deployment.key, None, Reason(Why.WAITING_FOR_EXPERIMENT, text))
        return
    until = run.told.at + min(2.0 ** min(run.told.tries, 10), _LONGEST_BACKOFF_S)
    if run.told.tries and fleet.now < until:
        text = f"{words}, and Git cannot be told: {run.told.trouble}"
        yield Wait(deployment.key, None, Reason(Why.BACKING_OFF, text), until)
        return
    yield Propose(
        deployment.key,
        deployment.path,
        deployment.origin,
        run,
        edit.Pin(deployment.manifest.spec.model.name, spec.control.version, spec.control.digest),
        applied.treated(deployment, run).spec_on("", fleet.commit),
        Reason(Why.EXPERIMENT, f"{words}: {decision.reason}"),
    )


def by_hand(deployment: Deployment) -> str:
    """Why a person must change the file; empty where nobody must."""
    origin = deployment.origin
    if not deployment.is_made:
        return ""
    if origin is None:
        return f"{deployment.path} makes {deployment.key}, and has its version in several places"
    if origin.is_shared:
        return "other deployments have their version from the same place, change it by hand"
    return ""


def branch(action: Propose) -> str:
    """The same for the same run, so that a push is never repeated under another name."""
    return f"plimsoll/experiment/{action.deployment.replace('/', '-')}-{action.run.id[:12]}"


def message(action: Propose) -> str:
    """The commit's message: what, why, and the evidence to look up."""
    spec, run, was = action.spec, action.run, action.was
    trailers = [
        ("Experiment", f"{run.name} {run.id}"),
        ("Winner-Digest", spec.digest),
        ("Control-Digest", was.digest),
    ]
    reason = "" if run.decision is None else run.decision.reason
    return "\n".join(
        [
            f"Let {action.deployment} serve {spec.model} version {spec.version}",
            "",
            f"It has won the experiment {run.name} against version {was.version}:",
            reason,
            "",
            *(f"{name}: {value}" for name, value in trailers),
            "",
        ]
    )


def content(action: Propose, asked: bytes) -> bytes:
    """The file that has `asked` with the winner's version; raises `InvalidInput`."""
    spec = action.spec
    if action.origin is not None:
        now = edit.Pin(spec.model, spec.version, spec.digest)
        return edit.repin_made(asked, action.origin, was=action.was, now=now, path=action.path)
    return edit.repin(asked, version=spec.version, digest=spec.digest, path=action.path)
