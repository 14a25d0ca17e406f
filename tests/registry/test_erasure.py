"""Erasure: bytes and personal data go at once, the proof that there was something stays."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from registry import errors
from registry.core import canonical, entries, merkle, note
from registry.core import statement as statements
from registry.core.oms import File
from registry.core.retention import Rule
from registry.db import dump, oci, tables
from registry.db.tables_artifacts import Artifact
from registry.store.blobs import Stored
from registry.usecases import (
    aliases,
    artifacts,
    catalogue,
    erasure,
    holds,
    log,
    oci_manifests,
    publish,
    pull,
    reports,
    retention,
    transfers,
    verification,
)
from registry.usecases.aliases import Move
from registry.usecases.oci_manifests import Push
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked
from tests.registry.backups import SAID, all_rows
from tests.registry.keeping import (
    RECONCILER,
    ROOT,
    deploy,
    digests_of,
    files_of,
    make_older,
    publish_one,
    publish_some,
    stored,
    with_rules,
)
from tests.registry.publishing import ALICE, Publisher, digest_of, store

PERSONAL = (
    "risk@example.org", "an ‘honest’ model", "Überraschung", "s3://data/people.csv",
    "alice_smith_run", "/home/alice/train.py", "weights_of_alice.onnx", "alice.example.org",
    "about alice", "publisher:alice-ci",
)  # fmt: skip
PRIVATE = replace(
    SAID, run_id="alice_smith_run", source="/home/alice/train.py", card="# about alice",
    repository="https://alice.example.org/repo", parents=(),
)  # fmt: skip


def erase(registry: Registry, number: int = 1) -> erasure.Erased:
    return erasure.erase(registry, model="digits", version=number, reason="DSR 7", by=ROOT)


@pytest.fixture
def private(registry: Registry, alice: Publisher) -> Registry:
    """A version that says much of a person, and one that shares a file with it."""
    files = {"weights_of_alice.onnx": files_of(1)["model.onnx"], "labels.txt": b"shared by all"}
    store(registry, files)
    publish.publish(registry, replace(alice.draft(files), facts=PRIVATE), ALICE)
    publish_one(registry, alice, 2)
    return registry


def test_bytes_go_at_once_unless_another_version_has_them(private: Registry) -> None:
    gone = erase(private)
    shared = digest_of(b"shared by all")
    assert stored(private) == digests_of(2)
    assert (gone.removed_blobs, gone.removed_bytes) == (1, len(files_of(1)["model.onnx"]))
    assert gone.shared == {shared: ["digits@2 labels.txt"]}


def test_nothing_personal_is_left_but_what_the_log_says(private: Registry) -> None:
    def everything() -> str:
        rows = all_rows(private)
        log_tables = {"log_entries", "log_hashes", "log_head"}
        mine = [row for row in rows["versions"] if row[2] == 1]
        rest = {n: r for n, r in rows.items() if n not in log_tables | {"versions", "tokens"}}
        return f"{rest} {mine}"

    before = everything()
    assert [word for word in PERSONAL if word not in before] == []
    erase(private)
    after = everything()
    assert [word for word in PERSONAL if word in after] == []
    leaves = b"".join(leaf for _, leaf in log.page(private, start=0, limit=100)[1])
    # Names of tokens and reasons are in the log for good; free text never was.
    assert [word for word in PERSONAL if word.encode() in leaves] == ["publisher:alice-ci"]


def test_the_tombstone_proves_itself_offline(private: Registry) -> None:
    digest = catalogue.version(private, "digits", 1).digest
    gone = erase(private)
    row = catalogue.version(private, "digits", 1)
    assert (row.status, row.digest) == ("erased", digest)
    assert row.status_message.endswith(f"entry {gone.log_index} of the log")
    [variant] = row.variants
    trust, index = private.trust_root(), gone.log_index or 0
    signed = note.verify_checkpoint(log.checkpoint(private), trust.log)
    for at, kind in ((variant.log_index, "published"), (index, "erased")):
        [(_, leaf)] = log.page(private, start=at, limit=1)[1]
        proof = log.inclusion(private, at, signed.size)
        merkle.check_inclusion(leaf, at, signed.size, proof=proof, expected_root=signed.root)
        entry = entries.decode(leaf)
        assert (entry.kind, entry.model, entry.version, entry.digest) == (kind, "digits", 1, digest)
    with private.database.reading() as session:
        bundle = session.get_one(tables.Variant, variant.id).registry_bundle
    said = statements.verify(canonical.decode_object(bundle, what="bundle"), trust.registry)
    assert (said.model, said.version, said.digest) == ("digits", 1, digest)
    assert verification.verify(private, trust).flaws == []


def test_lineage_to_data_and_versions_stays_by_digest(registry: Registry, alice: Publisher) -> None:
    publish_some(registry, alice, 1)
    publish_one(registry, alice, 2, said=SAID)
    erase(registry, 2)
    row = catalogue.version(registry, "digits", 2)
    assert [(data.name, data.digest, data.uri) for data in row.datasets] == [
        ("data-1", "sha256:" + "a" * 64, "")
    ]
    assert [parent.reference for parent in row.parents] == ["digits@1"]
    assert row.licence == "Apache-2.0"


def test_an_erased_version_is_gone_for_everybody_and_its_number_stays_taken(
    private: Registry, alice: Publisher
) -> None:
    erase(private)
    with pytest.raises(errors.Gone, match=r"is erased: erased on .*entry \d+ of the log"):
        pull.bundle(private, Asked("digits", 1), RECONCILER)
    with pytest.raises(errors.Conflict, match="is erased"):
        aliases.move(private, Move("digits", "champion", 1, "x"), ROOT)
    again = replace(alice.draft(files_of(1)), version=1)
    store(private, files_of(1))
    with pytest.raises(errors.Gone, match="was published before and is erased"):
        publish.publish(private, again, ALICE)
    assert publish_one(private, alice, 1).version == 3


def test_erasing_again_changes_nothing(private: Registry) -> None:
    erase(private)
    before = all_rows(private)
    assert erase(private).log_index is None
    assert all_rows(private) == before


def test_what_is_deployed_or_on_hold_is_not_erased(private: Registry) -> None:
    deploy(private, 1)
    before = all_rows(private)
    with pytest.raises(errors.Conflict, match="production/digits wants or serves it"):
        erase(private)
    reports.drop_status(private, environment="production", name="digits")
    hold = holds.place(private, model="digits", version=None, reason="case", by=ROOT)
    with pytest.raises(errors.Conflict, match=f"legal hold {hold.id}"):
        erase(private)
    with pytest.raises(errors.Conflict, match=f"legal hold {hold.id}"):
        erasure.erase_model(private, model="digits", reason="DSR", by=ROOT)
    assert all_rows(private)["versions"] == before["versions"]
    holds.release(private, hold.id, reason="settled", by=ROOT)
    assert erase(private).log_index


def test_an_alias_goes_with_what_it_names(private: Registry) -> None:
    aliases.move(private, Move("digits", "champion", 1, "best"), ROOT)
    erase(private)
    assert all_rows(private)["aliases"] == []
    kinds = [logged.entry.kind for logged in catalogue.latest(private, limit=2)]
    assert kinds == ["erased", "alias_removed"]


def test_a_whole_model_goes_and_its_name_and_numbers_stay_taken(
    private: Registry, alice: Publisher
) -> None:
    done = erasure.erase_model(private, model="digits", reason="DSR 8", by=ROOT)
    assert [one.version for one in done] == [1, 2]
    assert stored(private) == set()
    with pytest.raises(errors.NotFound):
        catalogue.model(private, "digits")
    [last] = catalogue.latest(private, limit=1)
    assert (last.entry.kind, last.entry.version, last.entry.reason) == ("erased", 0, "DSR 8")
    assert verification.verify(private, private.trust_root()).flaws == []
    assert publish_one(private, alice, 1).version == 3


def test_a_model_with_one_deployed_version_is_not_touched_at_all(private: Registry) -> None:
    deploy(private, 2)
    with pytest.raises(errors.Conflict, match="digits@2 is deployed"):
        erasure.erase_model(private, model="digits", reason="DSR", by=ROOT)
    assert {row.status for row in catalogue.model(private, "digits").versions} == {"ready"}


def test_an_expired_version_whose_bytes_are_still_there_loses_them_too(
    private: Registry,
) -> None:
    make_older(private, days=400)
    ruled = with_rules(private, Rule("*", keep_last=1))
    retention.apply(ruled, retention.plan(ruled), ROOT)
    assert catalogue.version(private, "digits", 1).status == "expired"
    assert erase(private).removed_blobs == 1
    assert stored(private) == digests_of(2)


def test_uploaded_artifacts_that_are_the_same_bytes_go_too(private: Registry) -> None:
    mine = files_of(1)["model.onnx"]
    for path, data in {"1/run/model.onnx": mine, "1/run/labels": b"shared by all"}.items():
        transfers.put(private, data)
        artifacts.point(private, path, Stored(digest_of(data), len(data)), ALICE)
    gone = erase(private)
    assert gone.staged == 1
    assert stored(private) == digests_of(2)
    with private.database.reading() as session:
        assert list(session.scalars(select(Artifact.path))) == ["1/run/labels"]


def pushed_about(registry: Registry, subject: File, said: bytes) -> str:
    """Some evidence, as `oras attach` would push it; gives the manifest's digest."""
    blob, now = transfers.put(registry, said), datetime.now(UTC)
    with registry.database.writing() as session:
        oci.ensure_repository(session, "digits", now=now)
        oci.link(session, "digits", [blob.digest], now=now)
        session.commit()
    described = {"mediaType": "text/plain", "digest": blob.digest, "size": blob.size}
    kind = "application/vnd.oci.image.manifest.v1+json"
    document = {
        "schemaVersion": 2, "mediaType": kind, "artifactType": "text/plain",
        "config": described, "layers": [described],
        "subject": {"mediaType": kind, "digest": subject.digest, "size": subject.size},
    }  # fmt: skip
    content = canonical.encode(document)
    wanted = Push("digits", digest_of(content), content, kind)
    return oci_manifests.push(registry, wanted, ALICE).digest


def test_evidence_that_was_pushed_about_a_version_goes_with_it(private: Registry) -> None:
    digest = catalogue.version(private, "digits", 1).digest or ""
    first = pushed_about(private, File("", digest, 1), b"reviewed by alice")
    pushed_about(private, File("", first, 1), b"seen by bob")
    hold = holds.place(private, model="digits", version=1, reason="case", by=ROOT)
    with pytest.raises(errors.Conflict, match="legal hold"):
        oci_manifests.delete(private, "digits", first, ALICE)
    holds.release(private, hold.id, reason="settled", by=ROOT)
    gone = erase(private)
    assert gone.evidence == 2
    assert stored(private) == digests_of(2)
    assert all_rows(private)["oci_manifests"] == []


def test_an_erased_versions_row_keeps_no_column_unasked(private: Registry) -> None:
    """Whoever adds a column to versions has to say here whether it goes."""
    erase(private)
    names = [column.name for column in dump.columns("versions")]
    [row] = [dict(zip(names, row, strict=True)) for row in all_rows(private)["versions"][:1]]
    left = {name: value for name, value in row.items() if value not in ("", None)}
    stays: set[str] = {"id", "model", "version", "status", "status_message", "digest", "licence",
                       "created_at", "updated_at"}  # fmt: skip
    assert left.keys() == stays


def test_a_version_that_is_not_there_is_not_found(private: Registry) -> None:
    unknown: list[dict[str, Any]] = [
        {"model": "digits", "version": 9},
        {"model": "fraud", "version": 1},
    ]
    for one in unknown:
        with pytest.raises(errors.NotFound):
            erasure.erase(private, **one, reason="DSR", by=ROOT)
    with pytest.raises(errors.NotFound):
        erasure.erase_model(private, model="fraud", reason="DSR", by=ROOT)
    with pytest.raises(errors.InvalidInput):
        erasure.erase(private, model="digits", version=1, reason="", by=ROOT)
