"""People with keys who sign statements about published versions, and a registry that lists them."""

import json
from pathlib import Path

from registry.core import evidence_documents as documents
from registry.core.canonical import Json
from registry.core.envelope import Refused, Verified, Wanted, verify
from registry.settings import Settings
from registry.trust import keys, sign
from registry.usecases import catalogue, pull
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.registry.publishing import Publisher

Bundle = dict[str, Json]
AT = "2026-11-23T09:00:00.000Z"
CAROL = Caller(Role.APPROVER, "carol-laptop")
LAB = Caller(Role.PUBLISHER, "lab-ci")
AUDITOR = Caller(Role.AUDITOR, "eve")
PEOPLE = {name: keys.generate_signing_key() for name in ("bob", "carol", "dave", "lab", "mallory")}


def list_all(settings: Settings, alice: Publisher) -> None:
    """alice and bob publish, carol and dave approve, lab tests; mallory is nobody."""
    _write(settings.publishers_file, "publishers", {alice.name: alice.key, "bob": PEOPLE["bob"]})
    _write(settings.approvers_file, "approvers", {n: PEOPLE[n] for n in ("carol", "dave")})
    _write(settings.testers_file, "testers", {"lab": PEOPLE["lab"]})


def _write(file: Path, role: str, people: dict[str, keys.SigningKey]) -> None:
    listed = [{"name": name, "publicKey": key.public_pem} for name, key in people.items()]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({role: listed}))


def wanted(registry: Registry, number: int = 1) -> Wanted:
    return Wanted("digits", number, catalogue.version(registry, "digits", number).digest or "")


def approval(about: Wanted, by: str = "carol", *, reason: str = "good", at: str = AT) -> Bundle:
    return sign.sign_statement(documents.approval(about, reason=reason, at=at), PEOPLE[by])


def revocation(
    about: Wanted, by: str = "carol", *, of: str = "", reason: str = "a mistake", at: str = AT
) -> Bundle:
    payload = documents.revocation(about, revokes=of, reason=reason, at=at)
    return sign.sign_statement(payload, PEOPLE[by])


def results(
    about: Wanted, by: str = "lab", *, failed: tuple[str, ...] = (), at: str = AT
) -> Bundle:
    run = documents.SuiteRun([{"name": "golden.yaml"}], [] if failed else ["golden"], failed)
    return sign.sign_statement(documents.test_result(about, run, at=at), PEOPLE[by])


def pulled(registry: Registry, number: int = 1) -> Verified | Refused:
    """As a host sees the version, evidence and all."""
    about = wanted(registry, number)
    sent = pull.bundle(registry, pull.Asked("digits", number), AUDITOR)
    return verify(sent, registry.trust_root(), about)


def counted(registry: Registry, number: int = 1) -> list[str]:
    """What counts of the version's evidence: `approval by carol`."""
    found = pulled(registry, number)
    assert isinstance(found, Verified), found
    return [f"{one.kind} by {one.signer}" for one in found.evidence]
