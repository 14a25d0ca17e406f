"""What policies are told is what was shown, and what the page about them shows is so."""

import re
from pathlib import Path

from registry.core import envelope, evidence, note, policy
from registry.core.evidence import Kind
from registry.core.oms import File
from registry.core.policy import testing

PAGE = (Path(__file__).parents[2] / "docs" / "trust" / "policies.md").read_text()


def shown(kind: Kind, signer: str, *, passed: bool | None = None) -> evidence.Verified:
    return evidence.Verified(
        f"sha256:{signer}", kind, signer, "key", "2026-06-03T10:00:00Z", 7, passed, {"a": 1}
    )


VERIFIED = envelope.Verified(
    envelope.Wanted("digits", 1, "sha256:aa"),
    "onnx",
    (File("a", "sha256:bb", 10), File("b", "sha256:cc", 5)),
    "ada",
    3,
    note.Checkpoint("plimsoll.test/log", 9, bytes(32), ""),
    ("ada", "grace", "grace"),
    (
        shown(Kind.SIGNATURE, "grace"),
        shown(Kind.APPROVAL, "eve"),
        shown(Kind.TEST_RESULT, "lab", passed=False),
    ),
    licence="MIT",
    scan={"result": "passed"},
)


def test_policies_are_told_all_that_verified_and_nothing_else() -> None:
    told = policy.verification(VERIFIED)
    assert told["signers"] == ["ada", "grace"]
    assert told["approvals"] == [{"by": "eve", "at": "2026-06-03T10:00:00Z"}]
    assert told["evidence"] == [
        {"kind": kind, "signer": who, "at": "2026-06-03T10:00:00Z", "passed": passed,
         "detail": {"a": 1}}
        for kind, who, passed in (
            ("signature", "grace", None), ("approval", "eve", None), ("test-result", "lab", False),
        )
    ]  # fmt: skip
    rest = {name: told[name] for name in told.keys() - {"signers", "approvals", "evidence"}}
    assert rest == {
        "publisher": "ada", "format": "onnx", "licence": "MIT", "size": 15,
        "scan": {"result": "passed"}, "logIndex": 3, "logSize": 9,
    }  # fmt: skip


def test_the_page_names_all_that_policies_are_told() -> None:
    (row,) = re.findall(r"^\| `verification` \|.*$", PAGE, re.MULTILINE)
    assert policy.verification(VERIFIED).keys() <= set(re.findall(r"`(\w+)`", row))


def test_the_page_names_the_variables_of_each_area() -> None:
    for area, known in policy.VARIABLES.items():
        (row,) = re.findall(rf"^\| `policies/{area}/` \|.*$", PAGE, re.MULTILINE)
        assert re.findall(r"`(\w+)`", row.rsplit("|", 2)[1]) == list(known)


def test_the_example_of_the_page_passes_its_tests() -> None:
    rule, tests = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    files = {"signers.yaml": rule, "signers_test.yaml": tests}
    found = policy.read({f"policies/deploy/{name}": text.encode() for name, text in files.items()})
    assert found.problems == ()
    report = testing.run(found.policies, found.tests)
    assert report.passed, report
    assert len(report.results) == 2
