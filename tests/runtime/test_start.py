"""What a start makes of what the registry sends, and every way in which that can be a lie."""

import json
from dataclasses import replace

from registry.core import canonical, digest
from registry.trust import keys, sign
from tests.ports import free_port
from tests.runtime import models
from tests.runtime.process import Runtime, patient, pin, running, sent
from tests.runtime.stand_in import StandIn

DIGITS = "/v1/models/digits:predict"
BODY = {"instances": [[0.5] * 64]}


def refused(runtime: Runtime) -> str:
    """Why the version is REFUSED; the process lives and tells everyone who asks."""
    reason = str(runtime.until_state("REFUSED")["reason"])
    assert runtime.get("/livez").status_code == 200
    assert runtime.get("/readyz").status_code == 503
    assert runtime.post(DIGITS, BODY).status_code == 404
    shown = runtime.get("/v1/models/digits").json()["model_version_status"][0]
    assert (shown["state"], shown["status"]["error_message"]) == ("END", reason)
    runtime.until(lambda: bool(runtime.registry.events))
    told = [(event["kind"], event["reason"]) for event in runtime.registry.events.values()]
    assert told == [("refused", reason)]
    return reason


def test_a_flipped_byte_in_a_blob_is_refused(runtime: Runtime, registry: StandIn) -> None:
    published = registry.publish(models.onnx_digits())
    runtime.models = [pin(published)]
    [file] = published.files
    spoiled = bytearray(registry.blobs[file.digest])
    spoiled[len(spoiled) // 2] ^= 1
    registry.blobs[file.digest] = bytes(spoiled)
    with running(runtime):
        assert f"the manifest says {file.digest}" in refused(runtime)
    assert not list(runtime.cache.glob("versions/*"))


def test_a_truncated_blob_is_refused(runtime: Runtime, registry: StandIn) -> None:
    published = registry.publish(models.onnx_digits())
    runtime.models = [pin(published)]
    [file] = published.files
    registry.blobs[file.digest] = registry.blobs[file.digest][:1000]
    with running(runtime):
        assert f"ends after 1000 of {file.size} bytes: it is truncated" in refused(runtime)


def test_a_blob_longer_than_its_manifest_says_is_refused(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publish(models.onnx_digits())
    runtime.models = [pin(published)]
    [file] = published.files
    registry.blobs[file.digest] += b"more"
    with running(runtime):
        assert f"longer than the {file.size} bytes" in refused(runtime)


def test_a_digest_other_than_the_pinned_one_is_refused(runtime: Runtime, registry: StandIn) -> None:
    published = registry.publish(models.onnx_digits())
    runtime.models = [pin(published) | {"digest": digest.of(b"another")}]
    with running(runtime):
        assert f"pinned is {digest.of(b'another')}" in refused(runtime)
    assert not [asked for asked in registry.requests if "/blobs/" in asked]


def test_a_publisher_outside_the_trust_root_is_refused(runtime: Runtime, registry: StandIn) -> None:
    published = registry.publish(models.onnx_digits(), publisher=keys.generate_signing_key())
    runtime.models = [pin(published)]
    with running(runtime):
        assert "signed by an unknown key" in refused(runtime)
    assert not [asked for asked in registry.requests if "/blobs/" in asked]


def test_a_path_out_of_the_folder_is_refused(runtime: Runtime, registry: StandIn) -> None:
    published = registry.publication({"model.onnx": b"x"})
    honest = json.loads(published.parts().manifest)
    honest["layers"][0]["annotations"]["org.cncf.model.filepath"] = "../../../escaped.onnx"
    lie = canonical.encode(honest)
    wanted = replace(published.wanted, digest=digest.of(lie))
    said = replace(published.said, digest=wanted.digest)
    registry.envelopes["digits", 1] = published.envelope(
        manifest=lie, registry_bundle=sign.sign_version(said, published.registry)
    )
    runtime.models = [pin(published) | {"digest": wanted.digest}]
    with running(runtime):
        assert "file path '../../../escaped.onnx' is not allowed" in refused(runtime)
    assert not list(runtime.folder.rglob("escaped.onnx"))


def test_a_version_the_registry_does_not_know_is_refused(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publication(models.onnx_digits()))]
    with running(runtime):
        assert "registry answered 404" in refused(runtime)


def test_a_format_other_than_the_published_one_is_refused(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publish(models.onnx_digits(), format="saved_model")
    runtime.models = [pin(published) | {"format": "onnx"}]
    with running(runtime):
        status = runtime.until_state("REFUSED")
    assert "its format is 'saved_model', the configuration says 'onnx'" in status["reason"]


def test_a_verified_file_that_is_no_model_is_refused(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish({"model.onnx": b"not a model at all"}))]
    with running(runtime):
        status = runtime.until_state("REFUSED")
        assert "verified, but not loadable: onnxruntime cannot load" in status["reason"]
        assert runtime.get("/livez").status_code == 200


def test_a_refused_version_leaves_the_others_serving(runtime: Runtime, registry: StandIn) -> None:
    good = registry.publish(models.onnx_digits())
    bad = registry.publish({"model.onnx": b"junk"}, model="other", version=2)
    runtime.models = [pin(good), pin(bad)]
    with running(runtime):
        runtime.until_state("REFUSED", version=2)
        runtime.until_state("AVAILABLE")
        assert runtime.post(DIGITS, BODY).status_code == 200


def test_a_cut_connection_resumes_where_it_stopped(runtime: Runtime, registry: StandIn) -> None:
    contents = models.onnx_digits() | {"notes.bin": bytes(range(256)) * 20_000}
    runtime.models = [pin(registry.publish(contents))]
    registry.cut_after = 3_000_000
    with running(runtime):
        runtime.until_state("AVAILABLE")
    resumed = [asked for asked in registry.requests if " from " in asked]
    assert resumed
    assert int(resumed[0].rpartition(" ")[2]) > 0


def test_without_a_registry_and_without_a_cache_it_waits(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publish(models.onnx_digits())
    runtime.models = [pin(published)]
    down, port = StandIn(), free_port()
    with down.answering(port):
        pass
    runtime.registry, down.envelopes, down.blobs = down, registry.envelopes, registry.blobs
    runtime.write_config()
    (runtime.folder / "trust.json").write_bytes(registry.trust())
    runtime.start()
    try:
        runtime.until(lambda: "did not answer" in runtime.status()["reason"])
        assert runtime.status()["state"] == "LOADING"
        assert runtime.get("/readyz").status_code == 503
        answer = runtime.post(DIGITS, BODY)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        with down.answering(port):
            runtime.until_state("AVAILABLE")
    finally:
        runtime.stop()


def test_a_request_waits_for_what_a_new_process_loads(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    registry.hold_after = 10
    runtime.program = patient("first_load", "_LONGEST_SECONDS")
    with running(runtime), sent(runtime, DIGITS, BODY) as asked:
        assert runtime.status()["state"] == "LOADING"
        registry.release()
        assert asked.recv(12) == b"HTTP/1.1 200"


def test_a_wrong_token_is_named_and_healed_by_the_right_one(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    runtime.write_config()
    token = (runtime.folder / "token").read_text()
    (runtime.folder / "token").write_text("plm_wrong")
    runtime.start()
    try:
        runtime.until(lambda: "registry answered 401" in runtime.status()["reason"])
        assert runtime.status()["state"] == "LOADING"
        (runtime.folder / "token").write_text(token)
        runtime.until_state("AVAILABLE")
    finally:
        runtime.stop()


def test_a_log_that_does_not_answer_delays_no_request(runtime: Runtime, registry: StandIn) -> None:
    registry.refused_events = 1000  # however long the start takes
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.post(DIGITS, BODY).status_code == 200
        assert not registry.events

        def are_told() -> bool:
            registry.refused_events = 0
            return len(registry.events) == 2

        runtime.until(are_told)
