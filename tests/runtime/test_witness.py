"""A host believes one history of the log, remembers it on disk, and says so to the registry."""

import time
from pathlib import Path

import pytest

from registry import errors
from registry.core import cosignature, note, trustroot
from registry.core.envelope import Refused
from runtime import config, obtain
from runtime.cache import Cache, Copy
from runtime.progress import Progress
from runtime.pull import Registry
from runtime.witness import Witness
from tests.core.publication import Publication
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import TOKEN, StandIn


@pytest.fixture
def host(tmp_path: Path, registry: StandIn) -> Witness:
    return host_of(tmp_path, registry)


def host_of(folder: Path, registry: StandIn) -> Witness:
    (folder / "token").write_text(TOKEN)
    (folder / "trust.json").write_bytes(registry.trust())
    return Witness(Registry(registry.url, folder / "token"), folder / "cache")


def pulled(folder: Path, registry: StandIn, wanted: Publication) -> Copy | Refused | obtain.NotNow:
    """As a runtime does it, with nothing but the folder to remember by."""
    found = obtain.obtain(
        config.pin(pin(wanted), what="test"),
        host="edge-1",
        trust_file=folder / "trust.json",
        cache=Cache(folder / "cache", keep=4),
        progress=Progress(),
        witness=host_of(folder, registry),
    )
    if isinstance(found, Copy):
        found.lease.close()
    return found


def forked(registry: StandIn, *, keep: int) -> StandIn:
    """Another registry with the same keys, whose log shares only its beginning."""
    other = StandIn()
    other.publisher, other.registry, other.log = registry.publisher, registry.registry, registry.log
    other.leaves = registry.leaves[:keep]
    return other


def test_a_host_follows_a_log_that_grows(tmp_path: Path, registry: StandIn) -> None:
    for version in range(1, 6):
        published = registry.publish({"model.onnx": bytes([version])}, version=version)
        assert isinstance(pulled(tmp_path, registry, published), Copy)


def test_a_rolled_back_log_is_refused_before_a_file_is_asked_for(
    tmp_path: Path, registry: StandIn
) -> None:
    for version in range(1, 4):
        published = registry.publish({"model.onnx": bytes([version])}, version=version)
        assert isinstance(pulled(tmp_path, registry, published), Copy)
    old = forked(registry, keep=1)
    again = old.publish({"model.onnx": b"again"}, version=9)
    with old.answering():
        found = pulled(tmp_path, old, again)
    assert isinstance(found, Refused)
    assert found.code == "log_forked"
    assert not [asked for asked in old.requests if "/blobs/" in asked]


def test_a_log_that_went_on_differently_is_refused(tmp_path: Path, registry: StandIn) -> None:
    for version in range(1, 4):
        published = registry.publish({"model.onnx": bytes([version])}, version=version)
    assert isinstance(pulled(tmp_path, registry, published), Copy)
    other = forked(registry, keep=2)
    for version in range(3, 9):
        published = other.publish({"model.onnx": b"x%d" % version}, version=version)
    with other.answering():
        found = pulled(tmp_path, other, published)
    assert isinstance(found, Refused)
    assert (found.code, "not the one seen before" in found.reason) == ("log_forked", True)


def test_an_older_view_of_the_same_log_is_no_fork(tmp_path: Path, registry: StandIn) -> None:
    first = registry.publish({"model.onnx": b"1"}, version=1)
    second = registry.publish({"model.onnx": b"2"}, version=2)
    for published in (second, first):
        assert isinstance(pulled(tmp_path, registry, published), Copy)


def test_a_registry_that_gives_no_proof_now_is_asked_again_later(
    host: Witness, registry: StandIn
) -> None:
    registry.publish({"model.onnx": b"1"})
    key = trustroot.parse(registry.trust()).log
    host.observe(note.verify_checkpoint(registry.checkpoint(), key), key)
    registry.publish({"model.onnx": b"2"}, version=2)
    grown = note.verify_checkpoint(registry.checkpoint(), key)
    away = Witness(Registry("http://127.0.0.1:9", host.registry.token_file), host._folder.parent)
    with pytest.raises(errors.Unavailable):
        away.observe(grown, key)
    assert host.observe(grown, key)


def test_a_damaged_memory_stops_pulls_and_is_not_forgotten(
    tmp_path: Path, registry: StandIn
) -> None:
    published = registry.publish({"model.onnx": b"1"})
    assert isinstance(pulled(tmp_path, registry, published), Copy)
    key = trustroot.parse(registry.trust()).log
    memory = tmp_path / "cache" / "log" / key.key_id.hex()
    memory.write_text(memory.read_text()[:-9])
    other = registry.publish({"model.onnx": b"2"}, version=2)
    found = pulled(tmp_path, registry, other)
    assert isinstance(found, obtain.NotNow)
    assert "damaged" in found.reason
    assert not [asked for asked in registry.requests if asked.endswith(other.files[0].digest)]


def test_a_listed_host_cosigns_what_it_has_looked_at(host: Witness, registry: StandIn) -> None:
    registry.publish({"model.onnx": b"1"})
    me = note.WitnessKey("edge-1", host.key().public_raw)
    registry.witnesses = (me,)
    trust = trustroot.parse(registry.trust())
    assert host.cosign(trust)
    seen = note.verify_checkpoint(registry.cosigned[-1], trust.log)
    [said] = cosignature.require(seen, trust.witnesses, threshold=1, now=time.time())
    assert (said.witness, seen.size) == ("edge-1", 1)
    assert abs(said.time - time.time()) < 60


def test_a_host_that_the_trust_root_does_not_list_cosigns_nothing(
    host: Witness, registry: StandIn
) -> None:
    registry.publish({"model.onnx": b"1"})
    assert not host.cosign(trustroot.parse(registry.trust()))
    assert not registry.cosigned


def test_a_host_never_cosigns_what_is_older_than_it_has_seen(
    host: Witness, registry: StandIn
) -> None:
    """Else a registry could freeze others with cosignatures of today on a log of yesterday."""
    for version in range(1, 4):
        registry.publish({"model.onnx": bytes([version])}, version=version)
    registry.witnesses = (note.WitnessKey("edge-1", host.key().public_raw),)
    trust = trustroot.parse(registry.trust())
    host.observe(note.verify_checkpoint(registry.checkpoint(), trust.log), trust.log)
    registry.shown = 2
    assert not host.cosign(trust)
    assert not registry.cosigned


def test_a_fork_is_never_cosigned(tmp_path: Path, host: Witness, registry: StandIn) -> None:
    for version in range(1, 4):
        registry.publish({"model.onnx": bytes([version])}, version=version)
    registry.witnesses = (note.WitnessKey("edge-1", host.key().public_raw),)
    trust = trustroot.parse(registry.trust())
    host.cosign(trust)
    other = forked(registry, keep=2)
    for version in range(3, 6):
        other.publish({"model.onnx": b"x%d" % version}, version=version)
    with other.answering(), pytest.raises(errors.LogForked):
        host_of(tmp_path, other).cosign(trust)
    assert not other.cosigned


def test_a_running_host_refuses_a_fork_between_two_pulls_and_goes_on_serving(
    runtime: Runtime, registry: StandIn
) -> None:
    first = registry.publish(models.onnx_digits())
    registry.publish({"x": b"x"}, version=3)
    runtime.models = [pin(first)]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        registry.leaves = [b"rewritten", b"history", b"of", b"all"]
        second = registry.publish(models.onnx_digits(shuffled=True), version=2)
        wish = {"digest": second.wanted.digest, "format": "onnx"}
        assert runtime.control("PUT", "digits/versions/2", wish).status_code == 202
        reason = str(runtime.until_state("REFUSED", version=2)["reason"])
        assert reason.startswith("log_forked:")
        assert runtime.status(1)["state"] == "AVAILABLE"
