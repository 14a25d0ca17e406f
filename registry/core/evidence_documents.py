"""The payloads of evidence that our own programs sign: approvals, revocations, test results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from registry.core import canonical, evidence, explanation
from registry.core.canonical import Json
from registry.core.envelope import Wanted
from registry.core.explanation import Explanation
from registry.core.oms import STATEMENT_TYPE


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """One run of a suite: `configuration` are in-toto resource descriptors of what was run.

    A suite passed if nothing is in `failed`; `metrics` are numbers by the name of their test.
    """

    configuration: Sequence[Mapping[str, Json]]
    passed: Sequence[str]
    failed: Sequence[str]
    metrics: Mapping[str, Json] = field(default_factory=dict)


def approval(about: Wanted, *, reason: str, at: str) -> bytes:
    """That the signer wants this version served; `at` is RFC 3339."""
    return _own(evidence.APPROVAL_TYPE, about, {"reason": reason, "approvedAt": at})


def revocation(about: Wanted, *, revokes: str, reason: str, at: str) -> bytes:
    """That the evidence with the id `revokes` counts no more; empty quarantines the version."""
    said: dict[str, Json] = {"revokes": revokes, "reason": reason, "revokedAt": at}
    return _own(evidence.REVOCATION_TYPE, about, said)


def test_result(about: Wanted, run: SuiteRun, *, at: str) -> bytes:
    """How a suite ended on this version, as in-toto's test-result v0.1 says it."""
    predicate: dict[str, Json] = {
        "result": "FAILED" if run.failed else "PASSED",
        "configuration": [dict(one) for one in run.configuration],
        "passedTests": [*run.passed],
        "warnedTests": [],
        "failedTests": [*run.failed],
        evidence.TESTED_AT: at,
        evidence.METRICS: dict(run.metrics),
    }
    return _statement(evidence.TEST_RESULT_TYPE, about, predicate)


def explained(about: Wanted, said: Explanation, *, at: str) -> bytes:
    """What the version answers by, as its samples show."""
    return _own(explanation.TYPE, about, explanation.predicate(said) | {"explainedAt": at})


def _own(predicate_type: str, about: Wanted, said: dict[str, Json]) -> bytes:
    named: dict[str, Json] = {
        "model": about.model,
        "version": about.version,
        "digest": about.digest,
    }
    return _statement(predicate_type, about, named | said)


def _statement(predicate_type: str, about: Wanted, predicate: dict[str, Json]) -> bytes:
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {
                    "name": f"{about.model}@{about.version}",
                    "digest": {"sha256": about.digest.removeprefix("sha256:")},
                }
            ],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )
