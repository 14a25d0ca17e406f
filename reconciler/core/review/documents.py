"""The review as JSON, `kind: Review`: what `plimsoll plan --base REF -o json` prints. Pure."""

from dataclasses import asdict

from reconciler.core.edit import Pin
from reconciler.core.review import wording
from reconciler.core.review.facts import Doubt, Fact, Refused, Version
from reconciler.core.review.judged import Judged
from reconciler.core.review.rows import Delta, Row
from reconciler.core.review.verdicts import Review
from registry.core import canonical
from registry.core.canonical import Json
from registry.core.documents import Problem


def document(review: Review) -> dict[str, Json]:
    """All of it, the diffs included."""
    bound = review.bound
    return {
        "apiVersion": "plimsoll.dev/v1",
        "kind": "Review",
        "verdict": review.verdict.value,
        "summary": review.headline,
        "bound": {"head": bound.head, "base": bound.base, "logSize": bound.log_size},
        "hosts": [*review.hosts],
        "deployments": [_row(row) for row in review.rows],
        "files": [{"path": one.path, "how": one.how, "diff": one.diff} for one in review.files],
        "problems": [_problem(one) for one in review.problems],
        "olderProblems": [_problem(one) for one in review.older],
        "conflicts": [*review.conflicts],
        "doubts": [*review.doubts],
        "holds": [*review.holds],
        "affected": [*review.affected],
        "heldBack": [{"path": one.path, "why": one.why} for one in review.held],
    }


def encode(review: Review) -> bytes:
    """As canonical JSON: the same review is the same bytes."""
    return canonical.encode(document(review))


def _row(row: Row) -> Json:
    return {
        "deployment": row.deployment,
        "path": row.path,
        "effect": row.effect.value,
        "before": _pin(row.before),
        "after": _pin(row.after),
        "hosts": [*row.hosts],
        "strategy": row.strategy,
        "acceptance": [*row.acceptance],
        "memory": {"before": row.memory[0], "after": row.memory[1]},
        "fields": [asdict(field) for field in row.fields],
        "version": _fact(row.fact),
        "previous": _fact(row.earlier),
        "metrics": [_delta(one) for one in row.metrics],
        "publisherMetrics": [_delta(one) for one in row.metrics_said],
        "tensors": {
            "compared": row.is_compared,
            "breaks": [*row.breaks],
            "wider": [*row.wider],
        },
        "policies": [_judged(one) for one in row.policies],
        "refusals": [*row.refusals],
        "wayBack": {
            "text": wording.way_back(row),
            "goods": [
                {"version": one.version, "digest": one.digest, "hosts": [*one.hosts]}
                for one in row.goods
            ],
        },
        "trouble": [*row.trouble],
    }


def _pin(pin: Pin | None) -> Json:
    return None if pin is None else asdict(pin)


def _fact(fact: Fact | None) -> Json:
    match fact:
        case None:
            return None
        case Version():
            return {
                "state": "verified",
                "format": fact.format,
                "size": fact.size,
                "signers": [*fact.signers],
                "signature": None if fact.signature is None else fact.signature.document(),
            }
        case Refused():
            return {"state": "refused", "code": fact.code, "reason": fact.reason}
        case Doubt():
            return {"state": "unknown", "reason": fact.reason}


def _delta(one: Delta) -> Json:
    return {"name": one.name, "before": one.before, "after": one.after}


def _judged(one: Judged) -> Json:
    return {
        "area": one.area.value,
        "allowed": one.is_allowed,
        "reasons": [*one.reasons],
        "passed": [*one.passed],
        "failing": [asdict(failing) for failing in one.failing],
        "audited": [asdict(failing) for failing in one.audited],
    }


def _problem(one: Problem) -> Json:
    return {
        "path": one.path,
        "line": one.line,
        "column": one.column,
        "message": one.message,
        "fix": one.fix,
    }
