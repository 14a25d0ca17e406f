"""The last-known-good cache: it carries a start without a registry, and is never believed."""

import shutil
import signal
from pathlib import Path

import pytest

from registry.trust import keys
from tests.ports import free_port
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

DIGITS = "/v1/models/digits:predict"
BODY = {"instances": [[0.5] * 64]}


def cached(runtime: Runtime, number: int) -> Path:
    folder = runtime.cache / "versions" / str(runtime.models[number]["digest"])[7:]
    return folder / "files" / "model.onnx"


def test_without_a_registry_the_cached_copy_serves(tmp_path: Path) -> None:
    registry = StandIn()
    with registry.answering():
        runtime = Runtime(tmp_path, registry, [pin(registry.publish(models.onnx_digits()))])
        with running(runtime):
            runtime.until_state("AVAILABLE")
            runtime.until(lambda: len(registry.events) == 2)  # no request is on its way any more
    asked = len(registry.requests)
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.post(DIGITS, BODY).status_code == 200
    assert len(registry.requests) == asked


@pytest.mark.parametrize("flaw", ["flipped byte", "missing file", "extra file", "symbolic link"])
def test_a_corrupted_cache_entry_is_brought_again(
    runtime: Runtime, registry: StandIn, flaw: str
) -> None:
    """From the registry; but for files that lie here a second time and are still right."""
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
    _spoil(cached(runtime, 0), flaw)
    registry.requests.clear()
    with running(runtime):
        runtime.until_state("AVAILABLE")
    assert [asked for asked in registry.requests if "/bundle" in asked]
    pulled = [asked for asked in registry.requests if "/blobs/" in asked]
    assert bool(pulled) == (flaw == "flipped byte")
    assert cached(runtime, 0).read_bytes() == models.onnx_digits()["model.onnx"]


def test_a_cached_envelope_is_verified_again(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
    (cached(runtime, 0).parent.parent / "envelope.json").write_text("{}")
    registry.requests.clear()
    with running(runtime):
        runtime.until_state("AVAILABLE")
    assert [asked for asked in registry.requests if "/bundle" in asked]


def test_a_cached_copy_of_a_key_no_longer_trusted_is_refused(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
    registry.publisher = keys.generate_signing_key()
    with running(runtime):
        assert "signed by an unknown key" in runtime.until_state("REFUSED")["reason"]


def test_a_corrupted_cache_entry_without_a_registry_is_refused(tmp_path: Path) -> None:
    registry, port = StandIn(), free_port()
    with registry.answering(port):
        runtime = Runtime(tmp_path, registry, [pin(registry.publish(models.onnx_digits()))])
        with running(runtime):
            runtime.until_state("AVAILABLE")
    _spoil(cached(runtime, 0), "flipped byte")
    with running(runtime):
        runtime.until_state("REFUSED")
        runtime.until(lambda: runtime.log.count('"waiting"') > 1)  # however often it is tried
        reason = runtime.status()["reason"]
        assert "cached copy: file 'model.onnx' has the digest" in reason
        assert "did not answer" in reason
        assert runtime.post(DIGITS, BODY).status_code == 404
        with registry.answering(port):
            runtime.until_state("AVAILABLE")


def test_a_pull_killed_half_way_is_finished_by_the_next_start(
    runtime: Runtime, registry: StandIn
) -> None:
    contents = {"a.bin": bytes(range(256)) * 20_000} | models.onnx_digits()
    runtime.models = [pin(registry.publish(contents))]
    registry.hold_after = 3_000_000
    runtime.write_config()
    runtime.start()
    runtime.until(lambda: any(path.stat().st_size for path in runtime.cache.rglob("a.bin")))
    runtime.stop(signal.SIGKILL)
    assert not list(runtime.cache.glob("versions/*"))
    registry.release()
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.post(DIGITS, BODY).status_code == 200
    assert [asked for asked in registry.requests if " from " in asked]


def test_leftovers_that_are_not_the_beginning_of_the_file_do_no_harm(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publish(models.onnx_digits())
    runtime.models = [pin(published)]
    left = runtime.cache / "incoming" / published.wanted.digest[7:] / "files"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"something else")
    (left / "stowaway").write_bytes(b"unsigned")
    with running(runtime):
        runtime.until_state("AVAILABLE")
    assert [path.name for path in cached(runtime, 0).parent.iterdir()] == ["model.onnx"]


def test_the_cache_keeps_what_was_used_last(runtime: Runtime, registry: StandIn) -> None:
    runtime.limits = {"keepVersions": 2}
    published = [
        registry.publish(models.onnx_digits() | {"n": bytes([number])}, version=number)
        for number in (1, 2, 3)
    ]
    for one in published:
        runtime.models = [pin(one)]
        with running(runtime):
            runtime.until_state("AVAILABLE", version=one.version)
    kept = {folder.name for folder in runtime.cache.glob("versions/*")}
    assert kept == {one.wanted.digest[7:] for one in published[1:]}


def test_two_runtimes_share_one_cache_and_pull_once(
    runtime: Runtime, registry: StandIn, tmp_path: Path
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    second = Runtime(tmp_path / "second", registry, runtime.models)
    second.folder.mkdir()
    (second.folder / "cache").symlink_to(runtime.cache)
    runtime.cache.mkdir()
    with running(runtime), running(second):
        runtime.until_state("AVAILABLE")
        second.until_state("AVAILABLE")
    assert len([asked for asked in registry.requests if "/blobs/" in asked]) == 1


def _spoil(path: Path, flaw: str) -> None:
    match flaw:
        case "flipped byte":
            content = bytearray(path.read_bytes())
            content[100] ^= 1
            path.write_bytes(content)
        case "missing file":
            path.unlink()
        case "extra file":
            (path.parent / "extra.so").write_bytes(b"unsigned")
        case "symbolic link":
            shutil.copy(path, path.parent.parent / "elsewhere")
            path.unlink()
            path.symlink_to(path.parent.parent / "elsewhere")
