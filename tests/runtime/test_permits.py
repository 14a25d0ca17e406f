"""A runtime whose trust root lists reconcilers loads nothing that they have not permitted.

Skew is tested from the other side: not the host's clock is wrong by a day but the permit's times,
which is the same difference.
"""

import json
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from registry.core import canonical, dsse, permit
from registry.core.permit import Claim, Permit
from registry.trust import keys
from tests.core.publication import Publication
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

RECONCILER = keys.generate_signing_key()
DEPLOYMENT = "production/digits"
DAY = timedelta(days=1)


@pytest.fixture
def published(registry: StandIn) -> Publication:
    registry.reconcilers = (dsse.signer("reconciler", RECONCILER.public_pem),)
    return registry.publish(models.onnx_digits())


def permit_for(
    published: Publication, *, lasts: timedelta = DAY, ago: timedelta = DAY * 0
) -> Permit:
    """For this version on edge-1, decided `ago`, good for `lasts` from then on."""
    decided = datetime.now(UTC) - ago
    claim = Claim("edge-1", DEPLOYMENT, published.wanted)
    end = permit.stamp(decided + lasts)
    return Permit(claim, "c" * 40, "sha256:" + "2" * 64, permit.stamp(decided), end, "1")


def bundle(said: Permit, key: keys.SigningKey = RECONCILER) -> dict[str, canonical.Json]:
    payload = permit.encode(said)
    return dsse.bundle(payload, key.sign(dsse.pae(payload)), hint=key.hint)


def pinned(
    published: Publication, permitted: dict[str, canonical.Json] | None
) -> dict[str, object]:
    return pin(published) | {"deployment": DEPLOYMENT, "permit": permitted}


def refusal(runtime: Runtime) -> tuple[str, str]:
    found = runtime.until_state("REFUSED")
    return found["check"], found["code"]


def test_a_permitted_version_serves(runtime: Runtime, published: Publication) -> None:
    runtime.models = [pinned(published, bundle(permit_for(published)))]
    with running(runtime):
        assert runtime.until_state("AVAILABLE")["check"] == ""


def test_without_a_permit_no_byte_is_asked_for_and_everybody_is_told_why(
    runtime: Runtime, registry: StandIn, published: Publication
) -> None:
    runtime.models = [pinned(published, None)]
    with running(runtime):
        assert refusal(runtime) == ("permit", "permit_missing")
        runtime.until(lambda: bool(registry.events))
        metrics = runtime.get("/metrics").text
    assert not [asked for asked in registry.requests if "/v1/blobs/" in asked]
    told = [event for event in registry.events.values() if event["kind"] == "refused"]
    assert [event["detail"] for event in told] == [{"check": "permit", "code": "permit_missing"}]
    assert (
        'plimsoll_refusals_total{check="permit",code="permit_missing",model="digits"} 1.0'
        in metrics
    )
    lines = [json.loads(line) for line in runtime.log.splitlines()]
    assert [one["check"] for one in lines if one["event"] == "refused"] == ["permit"]


@pytest.mark.parametrize("field", ["host", "deployment"])
def test_the_permit_of_another_host_or_deployment_is_refused(
    runtime: Runtime, published: Publication, field: str
) -> None:
    said = permit_for(published)
    replayed = replace(said, claim=replace(said.claim, **{field: "production/other"}))
    runtime.models = [pinned(published, bundle(replayed))]
    with running(runtime):
        assert refusal(runtime) == ("permit", "permit_refused")


def test_the_permit_of_another_digest_is_refused(runtime: Runtime, published: Publication) -> None:
    said = permit_for(published)
    wanted = replace(said.claim.wanted, digest="sha256:" + "3" * 64)
    replayed = replace(said, claim=replace(said.claim, wanted=wanted))
    runtime.models = [pinned(published, bundle(replayed))]
    with running(runtime):
        assert refusal(runtime) == ("permit", "permit_refused")


def test_a_permit_by_a_stranger_is_refused(runtime: Runtime, published: Publication) -> None:
    stranger = keys.generate_signing_key()
    runtime.models = [pinned(published, bundle(permit_for(published), stranger))]
    with running(runtime):
        assert refusal(runtime) == ("permit", "signature_invalid")


def test_a_reconciler_taken_off_the_trust_root_stops_what_it_permitted_at_the_next_start(
    runtime: Runtime, registry: StandIn, published: Publication
) -> None:
    runtime.models = [pinned(published, bundle(permit_for(published)))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
    other = keys.generate_signing_key()
    registry.reconcilers = (dsse.signer("successor", other.public_pem),)
    with running(runtime):
        assert refusal(runtime) == ("permit", "signature_invalid")
    runtime.models = [pinned(published, bundle(permit_for(published), other))]
    with running(runtime):
        runtime.until_state("AVAILABLE")


def test_a_reconciler_whose_key_ended_permits_nothing_new(
    runtime: Runtime, registry: StandIn, published: Publication
) -> None:
    """The log that the version's envelope shows is as long as the key counted, and no longer."""
    ended = dsse.Signer("reconciler", registry.reconcilers[0].key, until=len(registry.leaves))
    registry.reconcilers = (ended,)
    runtime.models = [pinned(published, bundle(permit_for(published)))]
    with running(runtime):
        assert refusal(runtime) == ("permit", "signature_invalid")


def test_an_expired_permit_begins_nothing(runtime: Runtime, published: Publication) -> None:
    expired = permit_for(published, ago=DAY * 8, lasts=DAY * 7)
    runtime.models = [pinned(published, bundle(expired))]
    with running(runtime):
        assert refusal(runtime) == ("permit", "permit_expired")
        assert "this host's clock" in runtime.status()["reason"]


def test_what_served_here_starts_again_after_its_permit_ran_out_and_without_a_registry(
    runtime: Runtime, published: Publication
) -> None:
    runtime.models = [pinned(published, bundle(permit_for(published)))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
    expired = bundle(permit_for(published, ago=DAY * 30, lasts=DAY))
    (kept,) = (runtime.cache / "permits").iterdir()
    kept.write_bytes(canonical.encode(expired))
    runtime.models = [pinned(published, expired)]
    runtime.registry = StandIn()
    runtime.registry.url = "http://127.0.0.1:1"
    trust = (runtime.folder / "trust.json").read_bytes()
    runtime.write_config()
    (runtime.folder / "trust.json").write_bytes(trust)
    runtime.start()
    assert runtime.child is not None
    try:
        assert runtime.until_state("AVAILABLE")["code"] == ""
    finally:
        runtime.child.kill()
        runtime.child.wait()


def test_a_kept_permit_that_was_tampered_with_admits_nothing(
    runtime: Runtime, published: Publication
) -> None:
    runtime.models = [pinned(published, bundle(permit_for(published)))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
    (kept,) = (runtime.cache / "permits").iterdir()
    kept.write_text(kept.read_text().replace("A", "B", 1))
    runtime.models = [pinned(published, None)]
    with running(runtime):
        assert refusal(runtime) == ("permit", "permit_missing")


def test_a_host_whose_clock_is_a_day_ahead_keeps_serving_and_says_so_of_what_is_new(
    runtime: Runtime, published: Publication
) -> None:
    short = permit_for(published, ago=DAY, lasts=timedelta(hours=12))
    runtime.models = [pinned(published, bundle(short))]
    with running(runtime):
        assert refusal(runtime) == ("permit", "permit_expired")
        assert "this host's clock says" in runtime.status()["reason"]


def test_a_host_whose_clock_is_a_day_behind_loads_what_was_permitted_just_now(
    runtime: Runtime, published: Publication
) -> None:
    runtime.models = [pinned(published, bundle(permit_for(published, ago=-DAY)))]
    with running(runtime):
        assert runtime.until_state("AVAILABLE")["code"] == ""


def test_a_clock_set_back_does_not_bring_an_expired_permit_back(
    runtime: Runtime, registry: StandIn, published: Publication
) -> None:
    """The host has seen a decision of tomorrow, so it knows that it cannot be today."""
    later = registry.publish(models.onnx_two_inputs(), version=2)
    runtime.models = [pinned(later, bundle(permit_for(later, ago=-DAY * 3)))]
    with running(runtime):
        runtime.until_state("AVAILABLE", version=2)
    runtime.models.append(pinned(published, bundle(permit_for(published))) | {"active": False})
    with running(runtime):
        assert refusal(runtime) == ("permit", "permit_expired")


def test_a_refused_version_is_loaded_once_a_good_permit_is_handed_over_in_place(
    runtime: Runtime, published: Publication
) -> None:
    runtime.models = [pinned(published, None)]
    body = {
        "digest": published.wanted.digest,
        "format": "onnx",
        "deployment": DEPLOYMENT,
        "permit": bundle(permit_for(published)),
    }
    with running(runtime):
        refusal(runtime)
        assert runtime.control("PUT", "digits/versions/1", body).status_code == 202
        runtime.until_state("AVAILABLE")
        runtime.stop(signal.SIGKILL)
        runtime.start()
        runtime.until_state("AVAILABLE")
    kept = json.loads(runtime.config.read_text())["models"][0]
    assert kept["permit"] == body["permit"]
    assert kept["active"] is True


def test_an_agents_key_permits_its_own_host_and_no_other(
    runtime: Runtime, published: Publication, registry: StandIn
) -> None:
    """The host of this runtime is edge-1: an agent of edge-2 says nothing about it."""
    other = keys.generate_signing_key()
    registry.agents = (dsse.signer("edge-2", other.public_pem),)
    runtime.models = [pinned(published, bundle(permit_for(published), other))]
    with running(runtime):
        assert refusal(runtime) == ("permit", "signature_invalid")
    registry.agents = (dsse.signer("edge-1", other.public_pem),)
    registry.reconcilers = ()
    with running(runtime):
        runtime.until_state("AVAILABLE")
