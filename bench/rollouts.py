"""From a push to Git to the new version answering clients, on one real Docker host."""

import functools
import http.client
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import (
    figures,
    healing,
    hosts,
    models,
    processes,
    publishing,
    reconcilers,
    registries,
    wishes,
)
from bench.figures import Bar, Row
from bench.origin import Origin

_AREA = "rollouts"
_MODEL = "bench-digits"
_COMMITS = 6
_SERVING_S = 120.0
_SETTLING_S = 60.0


@dataclass(frozen=True, slots=True)
class Pinned:
    """One published version, as Git pins it."""

    version: int
    digest: str
    form: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that takes part: who is told, who is asked, and where it is written down."""

    registry: registries.Running
    reconciler: reconcilers.Running
    origin: Origin
    host: hosts.Host


def rows(folder: Path) -> Iterator[Row]:
    """Commits that alternate between versions, each measured once the one before has settled."""
    with (
        hosts.borrowed() as host,
        registries.running(folder, also_on=[hosts.gateway(host.api)]) as registry,
    ):
        first, second, third = _published(registry, folder)
        origin = Origin(folder)
        engine = wishes.host(host.name, engine=hosts.SOCKET, port=host.port)
        origin.push(wishes.carried() | engine)
        with reconcilers.running(registry, origin, folder) as reconciler:
            stage = Stage(registry, reconciler, origin, host)
            _switch(stage, first)  # brings up the ingress too, so it is not counted
            both = [second, first]
            yield _row(stage, "ONNX to ONNX", both, counted=both, bar=figures.under(5))
            yield _row(stage, "ONNX to SavedModel", [third, first], counted=[third])
            turns = [functools.partial(_switched, stage, to) for to in [*both, *both]]
            yield from healing.rows(host, _MODEL, turns, lambda: bool(answering(host.port, _MODEL)))


def _switched(stage: Stage, to: Pinned) -> None:
    _switch(stage, to)


def _published(registry: registries.Running, folder: Path) -> list[Pinned]:
    made = (
        ("onnx", models.onnx(folder, seed=1)),
        ("onnx", models.onnx(folder, seed=2)),
        ("saved_model", models.saved_model(folder)),
    )
    return [
        Pinned(
            version,
            publishing.publish(registry, model, model=_MODEL, version=version, form=form),
            form,
        )
        for version, (form, model) in enumerate(made, start=1)
    ]


def _row(
    stage: Stage, name: str, turns: list[Pinned], *, counted: list[Pinned], bar: Bar | None = None
) -> Row:
    """Webhook, fetch, preflight with verification, container, pull, load, 360 acceptance tests,
    switch of traffic. Image present. Each step is one more round of the loop; the time grows
    with the size of the model (pull, load, tests), not with the number of hosts.
    """
    times = []
    for number in range(_COMMITS):
        to = turns[number % len(turns)]
        took = _switch(stage, to)
        if to in counted:
            times.append(took)
    return Row(
        _AREA,
        f"commit (webhook) to the new version answering, {name}, p50 of {len(times)}",
        statistics.median(times),
        "s",
        f"slowest {max(times):.1f} s",
        bar=bar,
    )


def _switch(stage: Stage, to: Pinned) -> float:
    """Seconds from the webhook's being sent to the first answer by `to` at the front door."""
    commit = stage.origin.push(
        wishes.deployment(
            _MODEL, version=to.version, digest=to.digest, form=to.form, host=stage.host.name
        )
    )
    start = time.perf_counter()
    stage.reconciler.ring()
    processes.await_true(
        lambda: answering(stage.host.port, _MODEL) == to.digest,
        f"version {to.version} answering at the front door",
        timeout=_SERVING_S,
    )
    took = time.perf_counter() - start
    processes.await_true(
        lambda: is_settled(stage.registry, _MODEL, commit),
        "the rollout settling",
        timeout=_SETTLING_S,
    )
    return took


def answering(port: int, model: str) -> str:
    """The digest of whatever version of `model` answers a client now; empty where none does."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = json.dumps({"instances": [models.INPUT]})
        link.request("POST", f"/v1/models/{model}:predict", body)
        answer = link.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        link.close()
    return answer.getheader("plimsoll-digest", "") if answer.status == 200 else ""


def is_settled(registry: registries.Running, model: str, commit: str) -> bool:
    """Whether nothing is left to do or to wait for at `commit` by the deployment of `model`."""
    status = registry.client().deployment(f"{wishes.ENVIRONMENT}/{model}")
    is_idle = status.get("next") == [] and status.get("waiting") == []
    return status.get("commit") == commit and is_idle
