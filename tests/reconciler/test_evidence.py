"""The reconciler and evidence: it signs what tests found, and sees what the registry withholds."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete

from reconciler import acceptance, attesting, client, signing, state
from reconciler.core.observed import InstanceSpec
from registry.core import envelope
from registry.core import evidence_documents as documents
from registry.core.entries import Kind
from registry.core.envelope import Verified, Wanted
from registry.db.tables_evidence import Evidence
from registry.trust import sign
from tests.reconciler.town import Town, town
from tests.registry.publishing import Publisher

AT = "2026-11-23T09:00:00.000Z"


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def here(tmp_path: Path, publisher: Publisher) -> Iterator[Town]:
    with town(tmp_path, publisher) as made:
        for version in (1, 2):
            made.publish(version, publisher)
        yield made


def wanted(here: Town, version: int = 1) -> Wanted:
    return Wanted("digits", version, here.digests[version])


def revoke(here: Town, publisher: Publisher, revokes: str = "") -> dict[str, object]:
    payload = documents.revocation(wanted(here), revokes=revokes, reason="leaks data", at=AT)
    bundle = sign.sign_statement(payload, publisher.key)
    path = "/v1/models/digits/versions/1/evidence"
    answer = here.registry.post(path, json={"bundle": bundle})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def forget_evidence(here: Town) -> None:
    """As somebody who owns the database, and not the log's key, would."""
    with here.server.app.state.registry.database.writing() as session:
        session.execute(delete(Evidence))
        session.commit()


def refusals(here: Town) -> list[str]:
    return [entry.reason for entry in here.log() if entry.kind is Kind.REFUSED]


def test_a_quarantined_version_starts_nowhere(here: Town, publisher: Publisher) -> None:
    revoke(here, publisher)
    here.deploy(1)
    here.settle()
    assert here.serving() is None
    assert "quarantined by 'alice'" in refusals(here)[0]


def test_a_quarantine_that_was_taken_from_the_database_is_missed(
    here: Town, publisher: Publisher
) -> None:
    made = revoke(here, publisher)
    forget_evidence(here)
    here.deploy(1)
    here.settle()
    assert here.serving() is None
    [reason] = refusals(here)
    assert "evidence_withheld" in reason
    assert f"in entry {made['logIndex']}" in reason
    here.deploy(2)
    here.settle()
    assert here.serving() is not None


def test_a_lifted_quarantine_stops_nothing(here: Town, publisher: Publisher) -> None:
    made = revoke(here, publisher)
    revoke(here, publisher, str(made["id"]))
    here.deploy(1)
    here.settle()
    assert here.serving() is not None


SPEC_RESULTS = {
    "golden": acceptance.Evidence((), {"accuracy": 0.98, "dataset": "sha256:" + "a" * 64}),
    "bias": acceptance.Evidence(("too unfair",), {"dataset": "sha256:" + "b" * 64}),
}


@pytest.fixture
def attester(here: Town, tmp_path: Path) -> Iterator[attesting.Attester]:
    """Of a reconciler whose key the registry lists."""
    with closing(state.StateFolder(tmp_path / "attesting")) as folder:
        key = signing.load_or_create(folder)
        opened = here.server.app.state.registry
        listed = [{"name": "robot", "publicKey": key.public_pem}]
        opened.settings.reconcilers_file.write_text(json.dumps({"reconcilers": listed}))
        registry = client.Registry(here.server.addresses[0], here.folder / "reconciler.token")
        with closing(registry):
            yield attesting.Attester(
                registry, folder, key, trust=opened.trust_root, clock=lambda: 1795000000.0
            )


def counted(here: Town) -> list[tuple[str, bool | None, object]]:
    received = here.registry.get(
        f"/v1/models/digits/versions/1/bundle?digest={here.digests[1]}"
    ).content
    found = envelope.verify(received, here.server.app.state.registry.trust_root(), wanted(here))
    assert isinstance(found, Verified), found
    return [(one.signer, one.passed, one.detail.get("failedTests")) for one in found.evidence]


def spec_of(here: Town) -> InstanceSpec:
    here.deploy(1)
    here.settle()
    serving = here.serving()
    assert serving is not None
    state_ = here.loop.source.state(patience_s=60)
    assert state_ is not None
    return state_.deployments["production/digits"].spec_on("edge-1", state_.commit)


def test_what_acceptance_tests_found_is_signed_evidence_on_the_digest(
    here: Town, attester: attesting.Attester
) -> None:
    spec = spec_of(here)
    attester.attest(spec, SPEC_RESULTS)
    attester.attest(spec, {"golden": SPEC_RESULTS["golden"]})
    assert counted(here) == [("robot", False, ["bias"]), ("robot", True, [])]


def test_a_result_waits_on_disk_until_the_registry_answers(
    here: Town, attester: attesting.Attester
) -> None:
    spec = spec_of(here)
    token = here.folder / "reconciler.token"
    good = token.read_text()
    token.write_text("plm_0000000000000000_" + "A" * 43)
    attester.attest(spec, {"golden": SPEC_RESULTS["golden"]})
    assert counted(here) == []
    token.write_text(good)
    attester.flush()
    attester.flush()
    assert counted(here) == [("robot", True, [])]


def test_a_reconciler_that_nobody_lists_signs_no_result(
    here: Town, attester: attesting.Attester
) -> None:
    here.server.app.state.registry.settings.reconcilers_file.unlink()
    attester.attest(spec_of(here), SPEC_RESULTS)
    assert list((here.folder / "attesting" / "statements").iterdir()) == []
