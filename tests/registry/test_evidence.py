"""Evidence in the registry: taken in once, logged, delivered, shown; and what is refused."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from sqlalchemy import delete, update

from registry import errors
from registry.api.server import Server
from registry.core import entries, evidence_documents
from registry.core.envelope import Refused, Verified, Wanted
from registry.core.evidence import Kind
from registry.db import log as log_rows
from registry.db import tables, versions
from registry.db.tables_evidence import Evidence
from registry.settings import Settings
from registry.trust import sign
from registry.usecases import catalogue, evidence, log, publish, verification
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.registry.evidencing import (
    CAROL,
    LAB,
    PEOPLE,
    Bundle,
    approval,
    counted,
    list_all,
    pulled,
    results,
    revocation,
    wanted,
)
from tests.registry.publishing import ALICE, Publisher, listed, onnx_model, store

FILES = {"model.onnx": onnx_model(), "labels.txt": b"0 1 2"}
INT8 = {"model.onnx": onnx_model(2.0)}


def publish_digits(registry: Registry, alice: Publisher) -> Wanted:
    store(registry, FILES | {"int8": INT8["model.onnx"]})
    publish.publish(registry, alice.draft(FILES), ALICE)
    return wanted(registry)


@pytest.fixture
def digits(registry: Registry, alice: Publisher) -> Wanted:
    """digits@1, published by alice in a registry that lists everybody."""
    list_all(registry.settings, alice)
    return publish_digits(registry, alice)


def add(registry: Registry, bundle: Bundle, by: Caller = CAROL) -> Evidence:
    return evidence.add(registry, "digits", 1, bundle, by).row


def last_entry(registry: Registry) -> entries.Entry:
    return catalogue.latest(registry, limit=1)[0].entry


def test_an_approval_is_logged_delivered_and_counts(registry: Registry, digits: Wanted) -> None:
    row = add(registry, approval(digits))
    entry = last_entry(registry)
    assert (entry.kind, entry.model, entry.version) == ("approved", "digits", 1)
    assert (entry.digest, entry.detail["evidence"]) == (digits.digest, row.statement)
    found = pulled(registry)
    assert isinstance(found, Verified)
    assert counted(registry) == ["approval by carol"]
    assert found.evidence[0].log_index == row.log_index
    assert found.ignored == ()


def test_the_log_says_neither_who_signed_nor_why(registry: Registry, digits: Wanted) -> None:
    add(registry, approval(digits, reason="spoke to Ms Example about it"))
    _, leaves = log.page(registry, start=0, limit=100)
    told = b"".join(leaf for _, leaf in leaves)
    assert b"Example" not in told
    assert PEOPLE["carol"].hint.encode() not in told


def test_every_kind_is_taken_and_each_is_logged_as_what_it_is(
    registry: Registry, digits: Wanted
) -> None:
    add(registry, sign.sign_model("digits", listed(FILES), PEOPLE["bob"]), ALICE)
    add(registry, results(digits), LAB)
    add(registry, results(digits, failed=("golden",)), LAB)
    quarantine = add(registry, revocation(digits, "dave"))
    assert isinstance(pulled(registry), Refused)
    add(registry, revocation(digits, "dave", of=quarantine.statement))
    assert counted(registry) == [
        "signature by bob",
        "test-result by lab",
        "test-result by lab",
        "revocation by dave",
    ]
    kinds = [one.entry.kind for one in catalogue.latest(registry, limit=5)]
    assert kinds == ["revoked", "revoked", "attested", "attested", "signed"]


def test_adding_the_very_same_again_changes_nothing(registry: Registry, digits: Wanted) -> None:
    bundle = approval(digits)
    first = evidence.add(registry, "digits", 1, bundle, CAROL)
    size = log.size(registry)
    again = evidence.add(registry, "digits", 1, bundle, CAROL)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.row.log_index == first.row.log_index
    assert log.size(registry) == size


def test_of_many_who_add_the_same_at_once_one_files_it_and_all_are_told_where(
    registry: Registry, digits: Wanted
) -> None:
    bundle, gate = approval(digits), threading.Barrier(6)

    def race(_: int) -> evidence.Added:
        gate.wait(60)
        return evidence.add(registry, "digits", 1, bundle, CAROL)

    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(race, range(6)))
    assert [one.is_new for one in added].count(True) == 1
    assert len({one.row.log_index for one in added}) == 1
    assert counted(registry) == ["approval by carol"]


def test_of_many_who_revoke_the_same_at_once_one_does_and_the_others_are_told(
    registry: Registry, digits: Wanted
) -> None:
    target, gate = add(registry, approval(digits)).statement, threading.Barrier(4)

    def race(number: int) -> str:
        bundle = revocation(digits, ["carol", "dave"][number % 2], of=target, reason=str(number))
        gate.wait(60)
        try:
            return str(add(registry, bundle).log_index)
        except errors.Conflict as error:
            return error.detail

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(race, range(4)))
    [index] = [one for one in told if one.isdigit()]
    assert told.count(f"it is revoked already, by entry {index} of the log") == 3
    assert counted(registry)[0].startswith("revocation by")


def test_evidence_is_about_the_variant_whose_digest_it_names(
    registry: Registry, digits: Wanted, alice: Publisher
) -> None:
    added = publish.add_variant(registry, alice.draft(INT8, version=1, variant="int8"), ALICE)
    int8 = next(one.digest for one in added.version.variants if one.name == "int8")
    row = add(registry, approval(Wanted("digits", 1, int8)))
    assert row.digest == int8
    assert counted(registry) == []


@pytest.mark.parametrize("by", ["mallory", "bob", "lab"])
def test_who_may_not_approve_is_refused_and_nothing_is_logged(
    registry: Registry, digits: Wanted, by: str
) -> None:
    size = log.size(registry)
    with pytest.raises(errors.SignatureInvalid, match="unknown key"):
        add(registry, approval(digits, by))
    assert log.size(registry) == size


def test_an_approval_of_another_version_is_refused(registry: Registry, digits: Wanted) -> None:
    other = Wanted("digits", 1, "sha256:" + "0" * 64)
    with pytest.raises(errors.SignatureInvalid, match="about something else"):
        add(registry, approval(other))


def test_a_publisher_who_also_approves_cannot_approve_their_own(
    registry: Registry, digits: Wanted, alice: Publisher
) -> None:
    entry = {"name": "alice", "publicKey": PEOPLE["carol"].public_pem}
    registry.settings.approvers_file.write_text(json.dumps({"approvers": [entry]}))
    with pytest.raises(errors.Conflict, match="'alice' has published this, and cannot approve it"):
        add(registry, approval(digits))


def test_the_publishers_own_signature_again_is_no_further_one(
    registry: Registry, digits: Wanted, alice: Publisher
) -> None:
    with pytest.raises(errors.Conflict, match="cannot sign once more"):
        add(registry, alice.bundle(FILES), ALICE)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.PUBLISHER, Role.RECONCILER])
def test_an_approval_takes_an_approvers_token_as_well_as_the_key(
    registry: Registry, digits: Wanted, role: Role
) -> None:
    with pytest.raises(
        errors.Forbidden, match=f"a token of role {role} may not bring evidence of kind approval"
    ):
        add(registry, approval(digits), Caller(role, "x"))


def test_a_revocation_of_what_is_not_there_is_refused(registry: Registry, digits: Wanted) -> None:
    with pytest.raises(errors.NotFound, match="to revoke"):
        add(registry, revocation(digits, of="sha256:" + "0" * 64))


def test_only_those_who_could_have_made_it_revoke_it(registry: Registry, digits: Wanted) -> None:
    target = add(registry, approval(digits)).statement
    with pytest.raises(errors.SignatureInvalid, match="by those who may make one"):
        add(registry, revocation(digits, "bob", of=target))
    add(registry, revocation(digits, "dave", of=target))
    assert counted(registry) == ["revocation by dave"]


def test_a_key_does_not_sign_without_end(registry: Registry, digits: Wanted) -> None:
    for minute in range(evidence.LIMITS[Kind.APPROVAL].count):
        add(registry, approval(digits, at=f"2026-11-23T09:{minute:02}:00Z"))
    with pytest.raises(errors.Conflict, match="has signed 16 statements"):
        add(registry, approval(digits, at="2026-11-24T09:00:00Z"))
    add(registry, approval(digits, "dave"))
    assert counted(registry) == ["approval by carol", "approval by dave"]


def test_of_test_results_the_newest_travel(registry: Registry, digits: Wanted) -> None:
    for minute in range(20):
        add(registry, results(digits, at=f"2026-11-23T09:{minute:02}:00Z"), LAB)
    found = pulled(registry)
    assert isinstance(found, Verified)
    assert [one.at[14:16] for one in found.evidence] == [f"{one:02}" for one in range(4, 20)]


def test_what_is_too_long_is_refused(registry: Registry, digits: Wanted) -> None:
    run = evidence_documents.SuiteRun([], ["x" * 70_000], [])
    payload = evidence_documents.test_result(digits, run, at="2026-11-23T09:00:00Z")
    with pytest.raises(errors.TooLarge, match="the test-result has"):
        add(registry, sign.sign_statement(payload, PEOPLE["lab"]), LAB)


def test_a_version_that_is_gone_takes_no_evidence(registry: Registry, digits: Wanted) -> None:
    with registry.database.writing() as session:
        versions.version(session, "digits", 1).status = tables.EXPIRED
        session.commit()
    with pytest.raises(errors.Gone):
        add(registry, approval(digits))


def test_a_broken_row_keeps_nobody_from_the_version(registry: Registry, digits: Wanted) -> None:
    add(registry, approval(digits))
    add(registry, approval(digits, "dave"))
    with registry.database.writing() as session:
        session.execute(update(Evidence).where(Evidence.signer == "carol").values(bundle=b"\xff"))
        session.commit()
    assert counted(registry) == ["approval by dave"]


def test_who_owns_the_database_cannot_make_a_row_count(registry: Registry, digits: Wanted) -> None:
    """A true statement about another version, under this one's entry; and a forged one."""
    row = add(registry, approval(digits))
    forged = sign.sign_statement(
        evidence_documents.approval(digits, reason="", at="2026-11-23T09:00:00Z"), PEOPLE["mallory"]
    )
    for bundle in (approval(Wanted("digits", 2, digits.digest)), forged):
        with registry.database.writing() as session:
            session.execute(update(Evidence).values(bundle=json.dumps(bundle).encode()))
            session.commit()
        assert counted(registry) == []
        findings = verification.Findings()
        with registry.database.reading() as session:
            verification.check_records(session, registry.trust_root(), findings)
        assert [flaw.what for flaw in findings.flaws] == [f"evidence {row.log_index} of digits@1"]


def test_a_check_of_the_registry_misses_evidence_that_was_taken_away(
    registry: Registry, digits: Wanted
) -> None:
    row = add(registry, approval(digits))
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        session.execute(delete(Evidence))
        session.commit()
    findings = verification.Findings()
    with registry.database.reading() as session:
        verification.check_records(session, registry.trust_root(), findings)
    [flaw] = findings.flaws
    assert flaw.why == f"entry {row.log_index} of the log names evidence that is not there"


def test_evidence_is_listed_page_by_page_in_the_order_of_the_log(
    registry: Registry, digits: Wanted
) -> None:
    made = [add(registry, results(digits, at=f"2026-11-23T0{n}:00:00Z"), LAB) for n in range(5)]
    seen: list[int] = []
    token: str | None = ""
    while token is not None:
        found = evidence.page(registry, "digits", 1, limit=2, token=token)
        seen += [one.log_index for one in found.items]
        token = found.token
    assert seen == [one.log_index for one in made]
    with pytest.raises(errors.InvalidInput, match="page token"):
        evidence.page(registry, "digits", 1, token="bm9uc2Vuc2U")


@pytest.fixture
def served(server: Server, settings: Settings, alice: Publisher) -> Wanted:
    list_all(settings, alice)
    return publish_digits(server.app.state.registry, alice)


EVIDENCE = "/v1/models/digits/versions/1/evidence"


def test_over_http_it_is_created_once_and_shown_with_the_version(
    served: Wanted, client_of: Callable[..., httpx2.Client]
) -> None:
    carol = client_of(Role.APPROVER, "carol-laptop")
    bundle = approval(served, reason="checked the numbers")
    made = carol.post(EVIDENCE, json={"bundle": bundle})
    again = carol.post(EVIDENCE, json={"bundle": bundle})
    assert (made.status_code, again.status_code) == (201, 200)
    said = made.json()
    assert again.json() == said
    assert (said["kind"], said["signer"], said["note"]) == (
        "approval", "carol", "checked the numbers",
    )  # fmt: skip
    assert said["predicateType"] == "https://plimsoll.dev/approval/v1"
    assert carol.get(EVIDENCE).json() == {"evidence": [said], "nextPageToken": None}
    document = carol.get("/v1/models/digits/versions/1").json()
    assert document["evidence"] == [said]
    assert [one["signer"] for one in document["signatures"]] == ["alice"]
    one = carol.get(f"{EVIDENCE}/{said['id']}").json()
    assert one == said | {"bundle": bundle}
    listed_ = carol.get("/v1/models/digits/versions").json()["versions"]
    assert listed_[0]["evidence"] is None


def test_a_further_signature_is_among_the_signatures_until_it_is_revoked(
    served: Wanted, client: httpx2.Client
) -> None:
    bundle = sign.sign_model("digits", listed(FILES), PEOPLE["bob"])
    made = client.post(EVIDENCE, json={"bundle": bundle}).json()
    document = client.get("/v1/models/digits/versions/1").json()
    assert [one["signer"] for one in document["signatures"]] == ["alice", "bob"]
    bundle = revocation(served, "bob", of=made["id"])
    assert client.post(EVIDENCE, json={"bundle": bundle}).status_code == 201
    document = client.get("/v1/models/digits/versions/1").json()
    assert [one["signer"] for one in document["signatures"]] == ["alice"]
    assert document["evidence"][0]["revokedBy"] == document["evidence"][1]["logIndex"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_input"),
        ({"bundle": {}}, 422, "invalid_input"),
        ({"bundle": {"mediaType": "x"}}, 422, "invalid_input"),
        ({"bundle": [], "more": 1}, 422, "invalid_input"),
        ({"bundle": approval(Wanted("digits", 1, "sha256:" + "0" * 64), "bob")}, 400,
         "signature_invalid"),
    ],
)  # fmt: skip
def test_what_is_no_evidence_is_a_problem_that_says_so(
    served: Wanted,
    client_of: Callable[..., httpx2.Client],
    body: dict[str, object],
    status: int,
    code: str,
) -> None:
    answer = client_of(Role.APPROVER).post(EVIDENCE, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_page_of_the_version_shows_who_said_what(
    served: Wanted, client_of: Callable[..., httpx2.Client]
) -> None:
    carol = client_of(Role.APPROVER)
    carol.post(EVIDENCE, json={"bundle": approval(served, reason="<b>bold</b> claim")})
    page = carol.get("/models/digits/versions/1").text
    assert "carol" in page
    assert "&lt;b&gt;bold&lt;/b&gt; claim" in page
    assert "approved" in page
