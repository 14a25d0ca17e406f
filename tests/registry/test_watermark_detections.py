"""Whose copy a suspect is, asked of a running registry: signed, logged, and for few to ask."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxruntime import quantization

from registry import errors
from registry.core import digest, dsse, entries
from registry.core.oms import File
from registry.core.watermark import comparing, disclosure, keys, records, report
from registry.core.watermark.embedding import Marker
from registry.core.watermark.findings import Detector, Finding
from registry.core.watermark.scheme import OWNER, Tensor
from registry.db import detections, versions, watermarks
from registry.db import log as log_rows
from registry.settings import Settings
from registry.usecases import (
    detection,
    disclosing,
    erasure,
    fingerprinted,
    log,
    opening,
    pull,
    watermark_keys,
)
from registry.usecases.access import Caller, Role
from registry.usecases.detection import Asked
from registry.usecases.disclosing import Wish
from registry.usecases.opening import Registry
from tests.core.marked_models import Kept
from tests.formats import safetensors_models
from tests.registry import copies
from tests.registry.marking import WEIGHTS, network, originals, publish_marked
from tests.registry.publishing import (
    Publisher,
    digest_of,
    listed,
    onnx_model,
    store,
    upload,
)

AUDITOR = Caller(Role.AUDITOR, "ines")
ADMIN = Caller(Role.ADMIN, "root")
HOSTS = ("edge-1", "edge-2", "edge-3")


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """`digits@1` is marked, and three hosts pulled it. For all tests together: they only ask."""
    opened = opening.open_registry(Settings(data_dir=tmp_path_factory.mktemp("data")))
    publisher = Publisher()
    publisher.list_in(opened.settings.publishers_file)
    publish_marked(opened, publisher)
    for host in HOSTS:
        pull.record(opened, pull.Asked("digits", 1), Caller(Role.HOST, host))
    yield opened
    opened.close()


def copy_for(registry: Registry, recipient: str, number: int = 1) -> bytes:
    """What that host gets."""
    with registry.database.reading() as session:
        row = versions.version(session, "digits", number)
        mark = watermarks.find(session, versions.variants(session, row.id)[0].id)
        assert mark is not None
        secret = watermark_keys.of_epoch(session, registry, mark.epoch).secret
    marker = Marker(keys.version_key(secret, mark.content).copy_key(recipient), mark.alpha)
    return changed(
        network(),
        lambda name, array: np.asarray(
            marker.mark(Tensor(name, "float32", array.shape), 0, array.ravel())
        ).reshape(array.shape),
    )


def changed(model: bytes, change: Callable[[str, np.ndarray], np.ndarray]) -> bytes:
    found = onnx.ModelProto.FromString(model)
    for one in found.graph.initializer:
        array = np.ascontiguousarray(change(one.name, numpy_helper.to_array(one)), np.float32)
        one.CopyFrom(numpy_helper.from_array(array, one.name))
    return bytes(found.SerializeToString())


def detected(
    registry: Registry, model: bytes, *, against: str = "", name: str = "leak.onnx"
) -> detection.Detected:
    store(registry, {name: model})
    return detection.detect(registry, Asked(listed({name: model}), "", against), AUDITOR)


def newest(registry: Registry) -> entries.Entry:
    with registry.database.reading() as session:
        size = log.newest(session).size
    return log_entry(registry, size - 1)


def log_entry(registry: Registry, index: int) -> entries.Entry:
    with registry.database.reading() as session:
        leaf = log_rows.leaf(session, index)
    assert leaf is not None
    return entries.decode(leaf)


def test_a_leaked_copy_names_its_host_in_a_signed_report(marked: Registry) -> None:
    found = detected(marked, copy_for(marked, "edge-2"))
    trust = marked.trust_root()
    said = report.verify(found.bundle, trust.registry)
    assert said == found.report
    assert (said.verdict.finding, said.verdict.named) == (Finding.RECIPIENT, ("edge-2",))
    assert "made for edge-2." in said.verdict.sentence
    (candidate,) = said.candidates
    assert (candidate.model, candidate.version, candidate.realigned) == ("digits", 1, 0)
    assert {one.recipient for one in candidate.scores} == {OWNER, *HOSTS}
    published = log_entry(marked, candidate.log_index)
    assert published.detail["commitment"] == candidate.commitment


def test_a_copy_in_another_format_under_other_names_is_still_that_hosts(marked: Registry) -> None:
    graph = onnx.ModelProto.FromString(copy_for(marked, "edge-2")).graph
    arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    first, second = arrays["first"].T, arrays["second"].T
    header = {
        "layer.0.weight": safetensors_models.entry(0, first.nbytes, shape=first.shape),
        "layer.1.weight": safetensors_models.entry(
            first.nbytes, first.nbytes + second.nbytes, shape=second.shape
        ),
    }
    content = safetensors_models.weights(header, first.tobytes() + second.tobytes())
    found = detected(marked, content, name="leak.safetensors").report
    assert found.verdict.named == ("edge-2",)
    assert (found.suspect.format, found.suspect.weights) == ("safetensors", WEIGHTS)


def test_a_copy_that_onnxruntime_made_int8_of_is_still_that_hosts(
    marked: Registry, tmp_path: Path
) -> None:
    (tmp_path / "copy.onnx").write_bytes(copy_for(marked, "edge-2"))
    quantization.quantize_dynamic(tmp_path / "copy.onnx", tmp_path / "int8.onnx")
    found = detected(marked, (tmp_path / "int8.onnx").read_bytes()).report
    assert found.verdict.named == ("edge-2",)
    assert found.suspect.quantised == WEIGHTS


def test_the_log_has_the_reports_digest_and_nobodys_name(marked: Registry) -> None:
    model = copy_for(marked, "edge-2")
    found = detected(marked, model)
    entry = newest(marked)
    assert (entry.kind, entry.actor) == (entries.Kind.WATERMARK_DETECTED, "auditor:ines")
    assert entry.detail["report"] == digest.of(report.encode(found.report))
    assert entry.detail["suspect"] == records.content_digest(listed({"leak.onnx": model}))
    assert entry.detail["outcome"] == "recipient"
    assert "edge" not in entries.encode(entry).decode()


def test_the_version_as_everybody_gets_it_is_the_owners_and_known_byte_for_byte(
    marked: Registry, tmp_path: Path
) -> None:
    with marked.database.reading() as session:
        (variant,) = detections.marked(session, "digits")
    model = dict(variant.files)["model.onnx"]
    content = marked.blobs.local(model, tmp_path).read_bytes()
    suspect = (File("a.onnx", model, len(content)),)
    found = detection.detect(marked, Asked(suspect, "", ""), AUDITOR).report
    assert found.verdict.finding is Finding.OWNER
    assert found.candidates[0].identical == OWNER


def test_what_a_host_really_got_names_it_byte_for_byte(tmp_path: Path) -> None:
    """From the pull to the verdict, and nothing in between made for a test."""
    opened = opening.open_registry(copies.published(tmp_path / "data", copies.CLEAR))
    copies.pulled(opened, copies.EDGE_2)
    file = copies.model_of(copies.pulled(opened, copies.EDGE_1))
    sent = fingerprinted.own(opened, copies.EDGE_1, file.digest)
    assert sent is not None
    read = sent.read

    async def all_of_it() -> bytes:
        return b"".join([bytes(block) async for block in read(0, file.size)])

    found = detected(opened, asyncio.run(all_of_it())).report
    opened.close()
    assert found.verdict.named == ("edge-1",)
    assert found.candidates[0].identical == "edge-1"
    assert "byte for byte" in found.verdict.sentence


def test_the_publishers_original_is_said_to_be_just_that(marked: Registry) -> None:
    found = detected(marked, network()).report
    assert found.verdict.finding is Finding.UNMARKED
    assert found.candidates[0].similarity == 1.0
    assert "without any mark" in found.verdict.sentence


def test_a_host_that_was_turned_out_is_still_named(marked: Registry) -> None:
    """By the log, which forgets nobody."""
    with marked.database.reading() as session:
        assert set(detections.recipients(session, "digits", 1)) == set(HOSTS)
    assert detected(marked, copy_for(marked, "edge-3")).report.verdict.named == ("edge-3",)


def test_other_shapes_are_not_compared_and_that_is_said(marked: Registry) -> None:
    small = changed(network(), lambda name, array: array[:, :5] if name == "second" else array[:9])
    found = detected(marked, small).report
    assert (found.verdict.finding, found.passed_over) == (Finding.NOT_COMPARABLE, 1)


def test_a_mark_that_an_old_key_made_is_found_after_rotation(marked: Registry) -> None:
    model = copy_for(marked, "edge-1")
    watermark_keys.rotate(marked, ADMIN)
    found = detected(marked, model).report
    assert found.verdict.named == ("edge-1",)
    assert found.candidates[0].epoch == 1


def test_only_versions_of_the_model_that_was_named_are_compared(marked: Registry) -> None:
    assert detected(marked, network(), against="digits").report.against == "digits"
    with pytest.raises(errors.NotFound, match="has no marked version"):
        detected(marked, network(), against="fraud")


@dataclass(frozen=True)
class Flaw:
    """A suspect that cannot be read, what is said of it, and how the log calls it."""

    name: str
    content: bytes
    words: str
    code: str


FLAWS = {
    "truncated": Flaw("leak.onnx", network()[:20_000], "truncated or damaged", "unsafe_model"),
    "another format": Flaw("leak.onnx", b"GGUF" + bytes(100), "GGUF", "unsafe_model"),
    "no model": Flaw("leak.txt", b"hello", "no model among 1 file", "unsafe_model"),
    "no weights": Flaw("leak.onnx", onnx_model(), "no weights", "invalid_input"),
    "empty": Flaw("leak.onnx", b"", "the file is empty", "unsafe_model"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_suspect_that_cannot_be_read_is_refused_and_that_is_logged(
    marked: Registry, flaw: str
) -> None:
    case = FLAWS[flaw]
    with pytest.raises(errors.PlimsollError, match=case.words):
        detected(marked, case.content, name=case.name)
    entry = newest(marked)
    assert (entry.kind, entry.detail["outcome"]) == ("watermark_detected", case.code)


def test_a_file_that_was_not_uploaded_is_asked_for(marked: Registry) -> None:
    missing = (File("leak.onnx", digest_of(b"never"), 5),)
    with pytest.raises(errors.NotFound, match="is not stored here"):
        detection.detect(marked, Asked(missing, "", ""), AUDITOR)


def test_an_erased_version_is_passed_over(registry: Registry, alice: Publisher) -> None:
    publish_marked(registry, alice)
    erasure.erase(registry, model="digits", version=1, reason="asked for", by=ADMIN)
    found = detected(registry, network(2)).report
    assert (found.candidates, found.passed_over) == ((), 1)
    with pytest.raises(errors.Gone):
        disclosing.disclose(registry, Wish("digits", 1, "", OWNER, "why"), ADMIN)


def test_the_same_files_published_twice_are_one_candidate(
    registry: Registry, alice: Publisher
) -> None:
    """Their marks are the same, and no host had them twice."""
    for number in (1, 2):
        publish_marked(registry, alice)
        pull.record(registry, pull.Asked("digits", number), Caller(Role.HOST, f"edge-{number}"))
    found = detected(registry, copy_for(registry, "edge-2")).report
    assert [one.version for one in found.candidates] == [1]
    assert found.verdict.named == ("edge-2",)
    erasure.erase(registry, model="digits", version=1, reason="asked for", by=ADMIN)
    again = detected(registry, copy_for(registry, "edge-2", number=2)).report
    assert [one.version for one in again.candidates] == [2]
    assert again.verdict.named == ("edge-2",)


def test_an_auditors_key_finds_its_recipient_and_no_other(marked: Registry) -> None:
    wish = Wish("digits", 1, "", "edge-2", "case 12")
    given = disclosing.disclose(marked, wish, ADMIN)
    key = disclosure.verify(given.bundle, marked.trust_root().registry)
    tensors = {one.name: one for one in key.tensors}
    original = kept(network(), tensors)
    for host, is_found in (("edge-2", True), ("edge-1", False)):
        suspect = kept(copy_for(marked, host), tensors)
        scored = comparing.compare(suspect, original, {"edge-2": key.key})
        informed = next(one for one in scored.scores if one.detector is Detector.INFORMED)
        assert (informed.u > 20) is is_found
    entry = newest(marked)
    assert (entry.kind, entry.host, entry.reason) == ("watermark_key_given", "edge-2", "case 12")
    assert set(key.source) == set(originals(marked))


def kept(model: bytes, tensors: dict[str, Tensor]) -> dict[str, Kept]:
    graph = onnx.ModelProto.FromString(model).graph
    return {
        one.name: Kept(tensors[one.name], numpy_helper.to_array(one)) for one in graph.initializer
    }


def test_there_is_no_key_for_who_never_pulled(marked: Registry) -> None:
    with pytest.raises(errors.NotFound, match="never pulled"):
        disclosing.disclose(marked, Wish("digits", 1, "", "edge-9", "why"), ADMIN)
    with pytest.raises(errors.NotFound, match="has no mark in its variant"):
        disclosing.disclose(marked, Wish("digits", 1, "int8", "edge-1", "why"), ADMIN)


def test_a_changed_key_is_refused(marked: Registry) -> None:
    bundle = disclosing.disclose(marked, Wish("digits", 1, "", OWNER, "why"), ADMIN).bundle
    other = dsse.signer("registry", Publisher().key.public_pem)
    with pytest.raises(errors.SignatureInvalid):
        disclosure.verify(bundle, other)


def test_only_admins_and_auditors_ask_and_auditors_bring_what_they_ask_about(
    client_of: Callable[..., httpx2.Client],
) -> None:
    content = b"no model"
    body = {"files": [{"path": "a.txt", "digest": digest_of(content), "size": len(content)}]}
    for role in Role:
        client = client_of(role, f"some-{role}")
        code = client.post("/v1/watermark/detections", json=body).status_code
        # Those who may ask are told that nothing was uploaded.
        assert code == (404 if role in {Role.ADMIN, Role.AUDITOR} else 403), role
    auditor = client_of(Role.AUDITOR, "ines")
    upload(auditor, content)
    answer = auditor.post("/v1/watermark/detections", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "unsafe_model")
    keys_of = "/v1/models/digits/versions/1/watermark/keys"
    wish = {"recipient": "owner", "reason": "why"}
    assert auditor.post(keys_of, json=wish).status_code == 403
