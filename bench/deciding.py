"""What a policy decision costs: seven rules, as an admission policy has them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from bench import figures, repeating
from bench.figures import Row
from registry.core import policy
from registry.core.policy import Area

_AREA = "trust"
_CALLS = 200
_REPETITIONS = 15
_NOW = datetime(2026, 6, 3, 10, tzinfo=UTC)
_TESTED = datetime(2026, 5, 20, tzinfo=UTC)
_MONTH = timedelta(days=30)
_POLICY = """\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {name: admission}
spec:
  match: {environments: [production]}
  mode: enforce
  variables:
    - {name: licences, expression: '["Apache-2.0", "MIT", "BSD-3-Clause"]'}
    - {name: largest, expression: quantity("2Gi")}
  validations:
    - {expression: size(verification.signers) >= 2, message: two publishers must sign}
    - {expression: verification.scan.result == "passed", message: must be scanned}
    - {expression: verification.licence in variables.licences, message: licence}
    - {expression: verification.size <= variables.largest, message: too large}
    - {expression: deployment.spec.rollback.auto, message: must go back by itself}
    - expression: size(verification.approvals.filter(a, !(a.by in verification.signers))) >= 2
      message: two others must approve
    - expression: >-
        verification.evidence.exists(e, e.kind == "test-result" && e.passed == true &&
        now - timestamp(e.at) < duration("720h"))
      message: must be tested
"""
_INPUTS: dict[str, Any] = {
    "deployment": {
        "metadata": {"name": "fraud", "environment": "production", "labels": {"tier": "critical"}},
        "spec": {"model": {"name": "fraud", "version": 7}, "rollback": {"auto": True}},
    },
    "version": {"model": "fraud", "version": 7, "metadata": {"tags": {"team": "risk"}}},
    "verification": {
        "publisher": "ada",
        "signers": ["ada", "grace"],
        "licence": "MIT",
        "size": 14_000,
        "scan": {"result": "passed"},
        "approvals": [{"by": "eve", "at": ""}, {"by": "tom", "at": ""}],
        "evidence": [
            {"kind": "approval", "signer": "eve", "at": "2026-05-21T00:00:00Z", "passed": None},
            {"kind": "approval", "signer": "tom", "at": "2026-05-21T00:00:00Z", "passed": None},
            {"kind": "test-result", "signer": "lab", "at": "2026-05-20T00:00:00Z", "passed": True},
        ],
    },
    "environment": "production",
    "quarantined": [],
    "now": _NOW.isoformat(),
}


def rows() -> Iterator[Row]:
    """One decision over compiled policies, against the same seven rules written in Python."""
    found = policy.read({"policies/deploy/admission.yaml": _POLICY.encode()})
    wanted = policy.request(Area.DEPLOY, _INPUTS)
    if not isinstance(policy.decide(found.policies, wanted), policy.Allowed):
        raise TypeError("the policy that was made here does not allow its own example")
    compared = repeating.compared(
        partial(_calls, lambda: policy.decide(found.policies, wanted)),
        partial(_calls, _by_hand),
        repetitions=_REPETITIONS,
    )
    floor = compared.reference_seconds / _CALLS * 1e6
    yield Row(
        _AREA,
        "policy decision, 7 rules",
        compared.seconds / _CALLS * 1e6,
        "µs",
        f"the same rules in Python: {floor:.2f} µs",
        ratio=compared.speed_ratio,
        bar=figures.under(100),
    )


def _calls(work: Callable[[], object]) -> float:
    return repeating.seconds(lambda: [work() for _ in range(_CALLS)])


def _by_hand() -> bool:
    shown, signers = _INPUTS["verification"], _INPUTS["verification"]["signers"]
    return bool(
        len(signers) >= 2
        and shown["scan"]["result"] == "passed"
        and shown["licence"] in {"Apache-2.0", "MIT", "BSD-3-Clause"}
        and shown["size"] <= 2 << 30
        and _INPUTS["deployment"]["spec"]["rollback"]["auto"] is True
        and len([one for one in shown["approvals"] if one["by"] not in signers]) >= 2
        and _NOW - _TESTED < _MONTH
    )
