"""Evidence where else it must be: OCI clients' lists, erasure, backups, the schema's way down."""

import json
from pathlib import Path

import httpx2
import oras.client
import pytest

from registry import errors
from registry.api.server import Server
from registry.core import oci_documents
from registry.core.envelope import Wanted
from registry.db import migrate
from registry.settings import Settings
from registry.usecases import (
    erasure,
    evidence,
    oci_manifests,
    opening,
    publish,
    verification,
)
from registry.usecases import oci as repositories
from registry.usecases.opening import Registry
from tests.registry import artifacts, backups
from tests.registry.conftest import ROOT
from tests.registry.evidencing import CAROL, LAB, approval, counted, list_all, results, wanted
from tests.registry.publishing import ALICE, Publisher, digest_of, onnx_model, store

FILES = {"model.onnx": onnx_model()}


def publish_digits(registry: Registry, alice: Publisher) -> Wanted:
    list_all(registry.settings, alice)
    store(registry, FILES)
    publish.publish(registry, alice.draft(FILES), ALICE)
    return wanted(registry)


def flaws(registry: Registry) -> list[verification.Flaw]:
    found = verification.Findings()
    with registry.database.reading() as session:
        verification.check_records(session, registry.trust_root(), found)
    return found.flaws


def test_evidence_is_a_referrer_that_carries_the_very_bundle(
    registry: Registry, alice: Publisher
) -> None:
    about = publish_digits(registry, alice)
    bundle = approval(about)
    row = evidence.add(registry, "digits", 1, bundle, CAROL).row
    found = repositories.referrers(
        registry, "digits", about.digest, artifact_type=oci_documents.BUNDLE_TYPE, after=""
    )
    assert len(found.items) == 3
    listed = found.items[2]
    assert listed["digest"] == row.manifest
    assert listed["annotations"] == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://plimsoll.dev/approval/v1",
    }
    carrier = repositories.manifest(registry, "digits", row.manifest)
    assert digest_of(carrier.content) == row.manifest
    said = json.loads(carrier.content)
    assert said["subject"]["digest"] == about.digest
    content = repositories.blob(registry, "digits", said["layers"][0]["digest"])
    assert content is not None
    assert json.loads(content) == bundle
    with pytest.raises(errors.Forbidden, match="or its evidence"):
        oci_manifests.delete(registry, "digits", row.manifest, ALICE)


def test_erasure_takes_who_and_why_and_leaves_that_there_was_something(
    registry: Registry, alice: Publisher
) -> None:
    about = publish_digits(registry, alice)
    row = evidence.add(registry, "digits", 1, approval(about, reason="asked Ms Example"), CAROL).row
    erasure.erase(registry, model="digits", version=1, reason="DSR 7", by=ROOT)
    [left] = evidence.page(registry, "digits", 1).items
    assert (left.log_index, left.kind, left.statement) == (row.log_index, "approval", row.statement)
    kept = str(backups.all_rows(registry)["evidence"])
    assert [word for word in ("Example", "carol", "approver:") if word in kept] == []
    assert flaws(registry) == []
    with pytest.raises(errors.Gone):
        evidence.add(registry, "digits", 1, approval(about, "dave"), CAROL)


def test_evidence_survives_a_backup_and_still_counts(
    registry: Registry, alice: Publisher, tmp_path: Path
) -> None:
    about = publish_digits(registry, alice)
    evidence.add(registry, "digits", 1, approval(about), CAROL)
    evidence.add(registry, "digits", 1, results(about), LAB)
    before = backups.all_rows(registry)["evidence"]
    backups.back_up(registry, tmp_path / "backup")
    done = backups.put_back(tmp_path / "backup", tmp_path / "new")
    assert done.findings.flaws == []
    copy = opening.open_registry(Settings(tmp_path / "new"))
    assert backups.all_rows(copy)["evidence"] == before
    assert counted(copy) == ["approval by carol", "test-result by lab"]
    copy.close()


def test_the_schema_goes_down_with_evidence_in_it_and_up_again(
    registry: Registry, alice: Publisher
) -> None:
    about = publish_digits(registry, alice)
    evidence.add(registry, "digits", 1, approval(about), CAROL)
    migrate.to(registry.database, "0010")
    migrate.to_head(registry.database)
    assert counted(registry) == []
    again = evidence.add(registry, "digits", 1, approval(about), CAROL)
    assert again.is_new
    assert counted(registry) == ["approval by carol"]


def test_a_stock_oci_client_pulls_it(
    server: Server, alice: Publisher, client: httpx2.Client, tmp_path: Path
) -> None:
    registry = server.app.state.registry
    about = publish_digits(registry, alice)
    bundle = approval(about)
    row = evidence.add(registry, "digits", 1, bundle, CAROL).row
    listed = artifacts.referrers(client, "digits", about.digest)
    assert row.manifest in {item["digest"] for item in listed}
    host = server.addresses[0].removeprefix("http://")
    stock = oras.client.OrasClient(hostname=host, insecure=True, auth_backend="basic")
    token = client.headers["Authorization"].removeprefix("Bearer ")
    config = str(tmp_path / "oras.json")
    stock.login(hostname=host, username="x", password=token, tls_verify=False, config_path=config)
    carrier = stock.get_manifest(f"{host}/digits@{row.manifest}")
    assert carrier["subject"]["digest"] == about.digest
    blob = stock.get_blob(f"{host}/digits", carrier["layers"][0]["digest"])
    assert json.loads(blob.content) == bundle
