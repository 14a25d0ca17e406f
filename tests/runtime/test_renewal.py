"""How a version is run changes while it serves: nobody notices, or nothing happens."""

import json
from pathlib import Path
from typing import Any

from reconciler.core.observed import Health, Route
from reconciler.engines import loaded
from reconciler.engines.records import Records
from tests.core.publication import Publication
from tests.engines.test_commands import SPEC
from tests.runtime import models
from tests.runtime.process import Runtime, children, pin, running
from tests.runtime.stand_in import StandIn
from tests.runtime.test_control import serving, under_load

ONE = "digits/versions/1"
TOO_MANY = {"maxBatchSize": 2**40}


def load(runtime: Runtime, published: Publication, **settings: object) -> dict[str, Any]:
    body = {"digest": published.wanted.digest, "format": published.format, **settings}
    answer = runtime.control("PUT", ONE, body)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


def written(runtime: Runtime) -> dict[str, Any]:
    """What the file says of the version."""
    [found] = json.loads(runtime.config.read_bytes())["models"]
    return {name: found.get(name) for name in ("isolation", "instances", "active", "batching")}


def test_other_settings_take_effect_under_load_and_fail_no_request(
    runtime: Runtime, registry: StandIn
) -> None:
    one = registry.publish(models.onnx_digits())
    runtime.models = [pin(one)]
    with running(runtime):
        runtime.until_state("AVAILABLE")

        def change() -> None:
            coming = load(runtime, one, isolation="process", instances=2)["pending"]
            assert coming["settings"] == {"isolation": "process", "instances": 2}
            runtime.until(lambda: runtime.status()["pending"] is None)

        clients = under_load(runtime, change)
        assert [failure for client in clients for failure in client.failures] == []
        assert runtime.child is not None
        assert written(runtime)["isolation"] == "process"
        assert runtime.status()["active"]
        started = [Path(f"/proc/{one}/cmdline").read_text() for one in children(runtime.child.pid)]
        assert "runtime.backends.in_child" in " ".join(started)
        load(runtime, one, isolation="process", instances=2)
        assert runtime.status()["pending"] is None


def test_settings_that_cannot_run_leave_what_serves_and_are_gone_after_a_restart(
    runtime: Runtime, registry: StandIn
) -> None:
    one = registry.publish(models.onnx_digits())
    runtime.models = [pin(one)]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        load(runtime, one, batching=TOO_MANY)
        runtime.until(lambda: runtime.status()["pending"]["state"] == "REFUSED")
        assert "does not fit into memory" in runtime.status()["pending"]["reason"]
        assert runtime.status()["state"] == "AVAILABLE"
        assert serving(runtime) == "1"
        assert written(runtime)["batching"] is None
        load(runtime, one)  # and whoever asks for what it is takes that back
        assert runtime.status()["pending"] is None
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert serving(runtime) == "1"


def test_the_last_settings_that_were_asked_for_are_those_that_take_effect(
    runtime: Runtime, registry: StandIn
) -> None:
    one = registry.publish(models.onnx_digits())
    runtime.models = [pin(one)]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        for instances in (2, 3, 4):
            load(runtime, one, instances=instances)
        runtime.until(lambda: runtime.status()["pending"] is None)
        assert written(runtime)["instances"] == 4
        load(runtime, one, instances=5)
        assert runtime.control("DELETE", ONE).status_code == 204
        assert runtime.get("/plimsoll/status").json()["models"] == []
        assert json.loads(runtime.config.read_bytes())["models"] == []


def test_to_the_reconciler_an_instance_starts_until_its_settings_are_in_effect() -> None:
    told = {"model": SPEC.model, "version": SPEC.version, "digest": SPEC.digest}
    status = told | {"state": "AVAILABLE", "reason": "", "active": True}
    known = Records(
        {"old": SPEC, "new": SPEC}, {SPEC.model: Route(SPEC.model, SPEC.deployment, "old")}
    )

    def seen(pending: object) -> list[Health]:
        versions = loaded.versions(json.dumps({"models": [status | {"pending": pending}]}).encode())
        return [loaded.instance(name, known, versions).health for name in ("old", "new")]

    assert seen(None) == [Health.HEALTHY, Health.HEALTHY]
    assert seen({"state": "LOADING", "reason": ""}) == [Health.HEALTHY, Health.STARTING]
    assert seen({"state": "REFUSED", "reason": "x"}) == [Health.HEALTHY, Health.REFUSED]
