"""Publication with the owner's mark: what is stored, signed, logged, believed and withheld."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sqlalchemy import event

from registry import errors
from registry.core import canonical, entries, envelope
from registry.core.envelope import Refused, Verified, Wanted
from registry.core.watermark import keys, records
from registry.db import watermarks
from registry.usecases import (
    catalogue,
    erasure,
    evidence,
    publish,
    pull,
    sweep,
    verification,
    watermark_keys,
    withholding,
)
from registry.usecases.access import Caller, Role
from registry.usecases.marks import Marking
from registry.usecases.opening import Registry
from tests.registry.keeping import AT_ONCE, make_older
from tests.registry.marking import WEIGHTS, files, marking, network, originals, publish_marked
from tests.registry.publishing import ALICE, Publisher, digest_of, onnx_model, store

ROOT = Caller(Role.ADMIN, "root")
HOST = Caller(Role.HOST, "edge-1")
FILES = files()


def weights(model: bytes) -> dict[str, np.ndarray[Any, Any]]:
    graph = onnx.ModelProto.FromString(model).graph
    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


def stored_bytes(registry: Registry, digest: str, folder: Path) -> bytes:
    return registry.blobs.local(digest, folder).read_bytes()


def verified(registry: Registry, number: int = 1) -> Verified | Refused:
    version = catalogue.version(registry, "digits", number)
    sent = pull.bundle(registry, pull.Asked("digits", number), HOST)
    wanted = Wanted("digits", number, version.digest or "")
    return envelope.verify(sent, registry.trust_root(), wanted)


def test_a_marked_version_is_believed_by_a_host_and_names_what_its_publisher_signed(
    registry: Registry, alice: Publisher, tmp_path: Path
) -> None:
    version = publish_marked(registry, alice)
    found = verified(registry)
    assert isinstance(found, Verified), found
    assert found.derivation is not None
    assert set(found.derivation.source) == set(originals(registry))
    assert {file.digest for file in found.derivation.source} == {
        digest_of(data) for data in FILES.values()
    }
    paths = {file.path: file for file in found.files}
    assert paths["labels.txt"].digest == digest_of(FILES["labels.txt"])
    copy = stored_bytes(registry, paths["model.onnx"].digest, tmp_path)
    assert len(copy) == len(FILES["model.onnx"])
    assert copy != FILES["model.onnx"]
    before, after = weights(FILES["model.onnx"]), weights(copy)
    for name, values in before.items():
        apart = np.abs(after[name] - values) / np.abs(values)
        assert 0.9 * found.derivation.alpha < np.median(apart) < 1.1 * found.derivation.alpha
    shown = version.variants[0].watermark
    assert shown is not None
    assert (shown["scheme"], shown["weights"]) == ("wm/v1", WEIGHTS)


def test_the_log_has_the_commitment_before_it_has_the_publication(
    registry: Registry, alice: Publisher
) -> None:
    version = publish_marked(registry, alice)
    published, watermarked = catalogue.latest(registry, limit=2)
    assert (watermarked.entry.kind, published.entry.kind) == ("watermarked", "published")
    assert watermarked.entry.digest == published.entry.digest == version.digest
    content = records.content_digest(originals(registry))
    key = keys.version_key(watermark_keys.current(registry).secret, content)
    assert watermarked.entry.detail["commitment"] == keys.commitment(key, content)
    assert watermarked.entry.detail["derivation"] == published.entry.detail["derivation"]


def test_the_marked_model_was_run_against_its_original_and_both_agree(
    registry: Registry, alice: Publisher
) -> None:
    shown = publish_marked(registry, alice).variants[0].watermark
    assert shown is not None
    trial = shown["trial"]
    assert trial["executed"], trial
    assert 0 < trial["outputs"]["y"]["relative"] < 0.1
    assert trial["outputs"]["y"]["top1"] > 0.8


def test_a_model_too_small_for_a_mark_gets_none_and_a_request_for_one_is_refused(
    registry: Registry, alice: Publisher
) -> None:
    small = {"model.onnx": onnx_model()}
    version = publish_marked(registry, alice, small)
    assert version.variants[0].watermark is None
    with pytest.raises(errors.CannotMark, match="too few"):
        publish.publish(registry, replace(alice.draft(small), watermark=Marking.ON), ALICE)


def test_a_publisher_may_ask_for_the_mark_or_do_without(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    without = replace(alice.draft(FILES), watermark=Marking.OFF)
    version = publish.publish(marking(registry), without, ALICE).version
    assert version.variants[0].watermark is None
    asked = replace(alice.draft(FILES), watermark=Marking.ON)
    assert publish.publish(registry, asked, ALICE).version.variants[0].watermark is not None


def test_an_original_cannot_be_had_by_publishing_its_digest_without_the_mark(
    registry: Registry, alice: Publisher
) -> None:
    publish_marked(registry, alice)
    with pytest.raises(errors.Forbidden, match="published with a watermark before"):
        publish.publish(registry, alice.draft(FILES, model="mine"), ALICE)
    with pytest.raises(errors.NotFound):
        catalogue.model(registry, "mine")
    kept = {"model.onnx": onnx_model(), "labels.txt": FILES["labels.txt"]}
    store(registry, kept)
    assert publish.publish(registry, alice.draft(kept, model="mine"), ALICE).is_new
    assert publish.publish(registry, alice.draft(FILES, model="open"), ROOT).is_new


def test_publishing_the_very_same_again_returns_the_marked_version_after_a_rotation_too(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    draft = alice.draft(FILES, version=1)
    first = publish.publish(marking(registry), draft, ALICE)
    watermark_keys.rotate(registry, ROOT)
    again = publish.publish(marking(registry), draft, ALICE)
    assert (again.is_new, again.version.digest) == (False, first.version.digest)
    with pytest.raises(errors.Conflict, match="exists with a mark"):
        publish.publish(registry, replace(draft, watermark=Marking.OFF), ALICE)
    other = alice.draft(files(2), version=1)
    store(registry, files(2))
    with pytest.raises(errors.Conflict, match="exists with other files"):
        publish.publish(marking(registry), other, ALICE)


def test_the_same_content_is_marked_once_and_by_a_new_key_anew(
    registry: Registry, alice: Publisher
) -> None:
    first, second = publish_marked(registry, alice), publish_marked(registry, alice)
    digests = [{file.digest for file in one.variants[0].files} for one in (first, second)]
    assert digests[0] == digests[1]
    watermark_keys.rotate(registry, ROOT)
    third = publish_marked(registry, alice)
    assert {file.digest for file in third.variants[0].files} != digests[0]
    for number in (1, 2, 3):
        assert isinstance(verified(registry, number), Verified)


def test_two_publishers_of_the_same_content_at_once_get_the_same_marked_files(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    gate, found = threading.Barrier(2), []

    def work() -> None:
        gate.wait()
        found.append(publish.publish(marking(registry), alice.draft(FILES), ALICE).version)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(version.version for version in found) == [1, 2]
    assert len({file.digest for one in found for file in one.variants[0].files}) == 2


def test_without_the_mark_publishing_takes_no_statement_more(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    said = []
    for engine in registry.database.engines:
        event.listen(engine, "before_cursor_execute", lambda *arguments: said.append(arguments[2]))
    publish.publish(registry, alice.draft(FILES, version=1), ALICE)
    assert said
    about = [one for one in said if "watermark_" in one or "watermarks" in one]
    # The question which files are here asks at once whether any is an original.
    assert [one.split(",")[0] for one in about] == ["SELECT blobs.digest"]


def test_originals_are_kept_while_the_version_lives_and_go_with_it(
    registry: Registry, alice: Publisher
) -> None:
    publish_marked(registry, alice)
    [model] = [file for file in originals(registry) if file.path == "model.onnx"]
    make_older(registry, days=400)
    sweep.sweep(registry, AT_ONCE)
    sweep.sweep(registry, AT_ONCE)
    assert registry.blobs.size(model.digest) == model.size
    assert not verification.verify(registry, registry.trust_root()).flaws
    erasure.erase(registry, model="digits", version=1, reason="asked to", by=ROOT)
    assert registry.blobs.size(model.digest) is None
    assert originals(registry) == ()
    assert not verification.verify(registry, registry.trust_root()).flaws


def test_nobody_but_an_admin_is_given_an_original(registry: Registry, alice: Publisher) -> None:
    version = publish_marked(registry, alice)
    by_path = {file.path: file for file in originals(registry)}
    original, shared = by_path["model.onnx"].digest, by_path["labels.txt"].digest
    [marked] = [one.digest for one in version.variants[0].files if one.path == "model.onnx"]
    for role in (Role.HOST, Role.VIEWER, Role.PUBLISHER, Role.AUDITOR):
        caller = Caller(role, "somebody")
        with pytest.raises(errors.Forbidden, match="stays in the registry"):
            withholding.require_given(registry, [original], caller)
        withholding.require_given(registry, [marked], caller)
        withholding.require_given(registry, [shared], caller)
    withholding.require_given(registry, [original], ROOT)


def test_a_second_publisher_signs_what_the_first_one_signed(
    registry: Registry, alice: Publisher
) -> None:
    bob = Publisher("bob")
    listed = [{"name": one.name, "publicKey": one.key.public_pem} for one in (alice, bob)]
    registry.settings.publishers_file.write_bytes(canonical.encode({"publishers": listed}))
    publish_marked(registry, alice)
    added = evidence.add(registry, "digits", 1, bob.bundle(FILES), ALICE)
    assert added.is_new
    found = verified(registry)
    assert isinstance(found, Verified)
    assert found.signers == ("alice", "bob")
    assert not verification.verify(registry, registry.trust_root()).flaws


LIES = ("left out", "of another version", "put onto a version without one")


@pytest.mark.parametrize("lie", LIES)
def test_a_derivation_cannot_be_left_out_put_in_or_exchanged(
    registry: Registry, alice: Publisher, lie: str
) -> None:
    publish_marked(registry, alice)
    publish_marked(registry, alice)
    plain = publish.publish(registry, alice.draft(FILES), ROOT).version
    first, second, third = (
        canonical.decode_object(pull.bundle(registry, pull.Asked("digits", number), HOST), what="e")
        for number in (1, 2, 3)
    )
    number, sent = 1, first
    match lie:
        case "left out":
            del sent["derivation"]
        case "of another version":
            sent["derivation"] = second["derivation"]
        case _:
            number, sent = 3, third
            sent["derivation"] = first["derivation"]
    assert plain.variants[0].watermark is None
    digest = catalogue.version(registry, "digits", number).digest or ""
    found = envelope.verify(
        canonical.encode(sent), registry.trust_root(), Wanted("digits", number, digest)
    )
    assert isinstance(found, Refused)
    assert found.check == "derivation"


def test_a_record_that_was_changed_in_the_database_is_found(
    registry: Registry, alice: Publisher
) -> None:
    version = publish_marked(registry, alice)
    publish_marked(registry, alice)
    with registry.database.writing() as session:
        first, second = (
            watermarks.of_version(session, catalogue.version(registry, "digits", number).id)[0]
            for number in (1, 2)
        )
        first.bundle = second.bundle
        session.commit()
    [flaw] = verification.verify(registry, registry.trust_root()).flaws
    assert (flaw.what, flaw.why.startswith("its watermark: ")) == ("digits@1 (onnx)", True)
    assert version.status == "ready"


def test_a_marked_variant_is_added_once(registry: Registry, alice: Publisher) -> None:
    publish_marked(registry, alice)
    other = {"model.onnx": network(7)}
    store(registry, other)
    draft = replace(alice.draft(other, version=1, variant="wide"), watermark=Marking.ON)
    assert publish.add_variant(registry, draft, ALICE).is_new
    assert not publish.add_variant(registry, draft, ALICE).is_new
    kinds = [logged.entry.kind for logged in catalogue.latest(registry, limit=2)]
    assert kinds == [entries.Kind.PUBLISHED, entries.Kind.WATERMARKED]
