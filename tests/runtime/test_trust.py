"""A host's trust root: what it accepted once it does not go back on, and what expiry stops."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from registry import errors
from registry.core import canonical, dsse, trustchain
from registry.core.trustroot import Root, TrustRoot
from registry.trust import keys, sign
from runtime.cache import Cache
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

ADA = keys.generate_signing_key()
ROOT = Root(1, (dsse.signer("ada", ADA.public_pem),))
PAST = "2026-01-01T00:00:00Z"


def file(*versions: TrustRoot) -> bytes:
    return trustchain.encode(
        [sign.sign_trust(trustchain.draft(replace(one, root=ROOT)), ADA) for one in versions]
    )


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", keep=1)


@pytest.fixture
def first(registry: StandIn) -> TrustRoot:
    return replace(registry.root, version=1)


def test_a_rotation_along_the_chain_is_accepted(cache: Cache, first: TrustRoot) -> None:
    second = replace(first, version=2)
    assert cache.accept_trust(file(first)).version == 1
    assert cache.accept_trust(file(first, second)).version == 2
    assert cache.accept_trust(file(second)).version == 2


def test_a_rollback_is_refused_by_every_runtime_of_the_host(
    cache: Cache, first: TrustRoot, tmp_path: Path
) -> None:
    cache.accept_trust(file(first, replace(first, version=2)))
    other = Cache(tmp_path / "cache", keep=1)
    with pytest.raises(errors.TrustRootRefused, match="older than version 2"):
        other.accept_trust(file(first))


def test_a_plain_file_does_not_replace_a_signed_one(cache: Cache, first: TrustRoot) -> None:
    plain = canonical.encode(first.document())
    assert cache.accept_trust(plain).version == 1
    cache.accept_trust(file(first))
    with pytest.raises(errors.TrustRootRefused, match="is not signed"):
        cache.accept_trust(plain)


def test_of_plain_files_the_newest_is_believed(cache: Cache, registry: StandIn) -> None:
    nobody = replace(registry.root, publishers=())
    assert cache.accept_trust(canonical.encode(registry.root.document())).publishers
    assert not cache.accept_trust(canonical.encode(nobody.document())).publishers


def test_runtimes_that_start_at_once_accept_one_root(cache: Cache, first: TrustRoot) -> None:
    offered = [file(first), file(first, replace(first, version=2))]
    ended: list[object] = []

    def accept(which: int) -> None:
        try:
            ended.append(cache.accept_trust(offered[which]).version)
        except errors.TrustRootRefused as error:
            ended.append(error.code)

    threads = [threading.Thread(target=accept, args=(number % 2,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ended) <= {1, 2, "trust_root_refused"}
    assert cache.accept_trust(offered[1]).version == 2


def test_an_expired_root_lets_nothing_new_in(
    runtime: Runtime, registry: StandIn, first: TrustRoot
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    registry.signed_trust = file(replace(first, expires=PAST))
    with running(runtime):
        assert "expired at 2026-01-01" in str(runtime.until_state("REFUSED")["reason"])
    assert not [asked for asked in registry.requests if "/blobs/" in asked]


def test_what_was_verified_before_the_root_expired_serves_after_a_restart(
    runtime: Runtime, registry: StandIn, first: TrustRoot
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    registry.signed_trust = file(first)
    with running(runtime):
        runtime.until_state("AVAILABLE")
    registry.signed_trust = file(first, replace(first, version=2, expires=PAST))
    with running(runtime):
        assert runtime.until_state("AVAILABLE")["reason"] == ""


def test_what_a_newer_root_does_not_trust_any_more_is_refused_from_the_cache_too(
    runtime: Runtime, registry: StandIn, first: TrustRoot
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    registry.signed_trust = file(first)
    with running(runtime):
        runtime.until_state("AVAILABLE")
    registry.signed_trust = file(first, replace(first, version=2, publishers=()))
    with running(runtime):
        assert "unknown key" in str(runtime.until_state("REFUSED")["reason"])
