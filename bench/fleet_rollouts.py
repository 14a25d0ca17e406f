"""Rollouts on three hosts behind mutual TLS, under steady load: how long, and who noticed."""

import functools
import json
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import (
    figures,
    fleet_asking,
    lan,
    models,
    processes,
    publishing,
    reconcilers,
    registries,
    timeline,
    wishes,
)
from bench.figures import Bar, Row
from bench.origin import Origin
from reconciler import wishes as left
from reconciler.core.strategies.progress import Verb
from registry.core.canonical import Json

_AREA = "rollouts"
_MODEL = "bench-digits"
_DEPLOYMENT = f"{wishes.ENVIRONMENT}/{_MODEL}"
_RATE = 200.0
_COMMITS, _BACK, _RESUMED = 5, 3, 3
_PATIENCE_S = 120.0


@dataclass
class Stage:
    """Everything that takes part. `digests` are of versions 1, 2, ...; `next` was not asked for."""

    folder: Path
    fleet: lan.Fleet
    registry: registries.Running
    origin: Origin
    setup: reconcilers.Setup
    digests: list[str]
    next: int = 0

    def ask(self, *, keep_s: int = 0) -> str:
        """Commit the next version; its predecessor stays for `keep_s` seconds."""
        version, digest = self.next + 1, self.digests[self.next]
        self.next += 1
        self.origin.push(_wish(version, digest, keep_s))
        return digest

    def await_served(self, digest: str) -> None:
        """On all hosts."""
        for host in self.fleet.hosts.values():
            processes.await_true(
                functools.partial(_is_served, host.address, digest),
                f"{digest[:15]} on {host.name}",
                timeout=_PATIENCE_S,
                every=0.01,
            )

    def await_settled(self) -> None:
        processes.await_true(self._is_settled, "the rollout settling", timeout=_PATIENCE_S)

    def await_idle(self) -> None:
        """Nothing is left to do, though Git may still ask for what was condemned."""
        processes.await_true(
            lambda: self._status().get("next") == [], "nothing left to do", timeout=_PATIENCE_S
        )

    def _is_settled(self) -> bool:
        status = self._status()
        return status.get("next") == [] and status.get("waiting") == []

    def _status(self) -> dict[str, Json]:
        return self.registry.client().deployment(_DEPLOYMENT)


def rows(folder: Path) -> Iterator[Row]:
    """Image present; 200 requests a second all the while, over all three hosts."""
    with ExitStack() as stack:
        fleet = stack.enter_context(lan.three(folder))
        registry = stack.enter_context(registries.running(folder, also_on=[fleet.address]))
        origin = Origin(folder)
        origin.push(wishes.carried() | fleet.files(registry.url.rpartition(":")[2]))
        more = f'credentials = "{fleet.credentials}"\n'
        setup = reconcilers.prepared(registry, origin, folder, more)
        stage = Stage(folder, fleet, registry, origin, setup, _published(registry, folder))
        with reconcilers.started(setup) as reconciler:
            first = stage.ask()
            reconciler.ring()
            stage.await_served(first)
            stage.await_settled()
            yield _commits(stage, reconciler)
            yield _back(stage, reconciler)
            yield _killed(stage)
        yield from _resumed(stage)


def _commits(stage: Stage, reconciler: reconcilers.Running) -> Row:
    lines: list[str] = []

    def turn() -> float:
        digest = stage.ask()
        begin, at = time.perf_counter(), time.time()
        reconciler.ring()
        stage.await_served(digest)
        took = time.perf_counter() - begin
        lines.append(timeline.told(stage.setup.log, since=at))
        stage.await_settled()
        return took

    name = "commit (webhook) to all three hosts serving it over mTLS"
    return _row(stage, name, turn, _COMMITS, lines, bar=figures.under(8))


def _back(stage: Stage, reconciler: reconcilers.Running) -> Row:
    """Detection is the moment at which the verdict is there; here a person's `plimsoll abort`."""
    lines: list[str] = []
    stable = stage.digests[stage.next - 1]

    def turn() -> float:
        bad = stage.ask(keep_s=600)
        reconciler.ring()
        stage.await_served(bad)
        begin, at = time.perf_counter(), time.time()
        left.leave(stage.setup.state, _DEPLOYMENT, Verb.ABORT, "the bench says that it is bad")
        stage.await_served(stable)
        took = time.perf_counter() - begin
        lines.append(timeline.told(stage.setup.log, since=at))
        stage.await_idle()
        return took

    name = "bad version on all three hosts, found out, to 100 % stable again"
    return _row(stage, name, turn, _BACK, lines, bar=figures.under(5))


def _killed(stage: Stage) -> Row:
    """The only instance of a host: whoever asks there meanwhile has to wait for it. Each host once,
    since a second repair of the same within minutes is paced."""
    lines: list[str] = []
    hosts = iter(stage.fleet.hosts.values())

    def turn() -> float:
        host = next(hosts)
        (instance,) = host.docker("ps -q --filter label=dev.plimsoll.kind=runtime").split()
        begin, at = time.perf_counter(), time.time()
        host.docker(f"kill {instance}")
        host.docker(f"exec {instance} true", check=False)  # refused once it is over
        processes.await_true(
            lambda: bool(fleet_asking.answering(host.address, _MODEL)),
            "the model's answering again",
            timeout=_PATIENCE_S,
            every=0.01,
        )
        took = time.perf_counter() - begin
        lines.append(timeline.told(stage.setup.log, since=at))
        time.sleep(2)
        return took

    name = "container killed (`docker kill`) to its model answering again, over mTLS"
    return _row(stage, name, turn, len(stage.fleet.hosts), lines, bar=figures.under(2))


def _resumed(stage: Stage) -> Iterator[Row]:
    """Killed as it starts the new version, and started again at once: until it acts on a host, and
    until its rollout is over, which a commit would take as long for."""
    lines: list[str] = []
    acted: list[float] = []

    def turn() -> float:
        with reconcilers.started(stage.setup) as doomed:
            at = time.time()
            digest = stage.ask()
            doomed.ring()
            _await_step(stage, at, ": start ")
            doomed.process.send_signal(signal.SIGKILL)
            doomed.process.wait()
        begin, at = time.perf_counter(), time.time()
        with reconcilers.started(stage.setup):
            _await_step(stage, at, ": ")
            acted.append(time.perf_counter() - begin)
            stage.await_served(digest)
            took = time.perf_counter() - begin
            lines.append(timeline.told(stage.setup.log, since=at))
            stage.await_settled()
        return took

    name = "reconciler killed mid-rollout and started again, to all three hosts serving"
    row = _row(stage, name, turn, _RESUMED, lines)
    yield Row(
        _AREA,
        f"reconciler killed mid-rollout and started again, to its next act, p50 of {len(acted)}",
        statistics.median(acted),
        "s",
        f"slowest {max(acted):.2f} s",
        bar=figures.under(5),
    )
    yield row


def _await_step(stage: Stage, since: float, what: str) -> None:
    processes.await_true(
        lambda: what in timeline.told(stage.setup.log, since=since), what, timeout=_PATIENCE_S
    )


def _row(
    stage: Stage,
    name: str,
    turn: Callable[[], float],
    turns: int,
    lines: Sequence[str],
    *,
    bar: Bar | None = None,
) -> Row:
    """`turns` turns under load, the median, and in which steps the time of the last one went."""
    body = json.dumps({"instances": [models.INPUT]}).encode()
    addresses = [host.address for host in stage.fleet.hosts.values()]
    with fleet_asking.crowd(addresses, _MODEL, body, rate=_RATE) as found:
        times = [turn() for _ in range(turns)]
    print(f"{name}:", *lines, sep="\n  ", flush=True)
    failed = sum(not one.is_good for one in found)
    slowest = max(one.seconds for one in found)
    return Row(
        _AREA,
        f"{name}, p50 of {turns}",
        statistics.median(times),
        "s",
        f"slowest {max(times):.2f} s; of {len(found)} requests at {_RATE:.0f}/s {failed} failed, "
        f"the slowest took {slowest * 1000:.0f} ms",
        bar=bar,
    )


def _is_served(address: str, digest: str) -> bool:
    return fleet_asking.answering(address, _MODEL) == digest


def _published(registry: registries.Running, folder: Path) -> list[str]:
    first = models.onnx(folder, seed=1)
    count = 1 + _COMMITS + _BACK + _RESUMED
    return [
        publishing.publish(
            registry,
            models.described(first, folder / f"model-{version}", f"version {version}"),
            model=_MODEL,
            version=version,
            form="onnx",
        )
        for version in range(1, count + 1)
    ]


def _wish(version: int, digest: str, keep_s: int) -> dict[str, bytes]:
    text = f"""\
apiVersion: plimsoll.dev/v1
kind: ModelDeployment
metadata: {{name: {_MODEL}, environment: {wishes.ENVIRONMENT}}}
spec:
  model: {{name: {_MODEL}, version: {version}, digest: "{digest}"}}
  targets: {{hosts: [edge-1, edge-2, edge-3]}}
  runtime: {{image: "{wishes.RUNTIME_IMAGE}", format: onnx, resources: {{memory: 512Mi, cpus: 1}}}}
  strategy:
    blueGreen: {{scaleDownDelaySeconds: {keep_s}}}
  acceptance: [{{template: digits-golden}}]
"""
    return {f"models.d/{wishes.ENVIRONMENT}/{_MODEL}.yaml": text.encode()}
