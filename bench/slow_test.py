"""One deployment's acceptance that takes long, beside others on the same host: who waits for it?

Everything is real: registry, Git, reconciler, Docker Engine, runtimes. The same commits are made
with the slow deployment and without it, in turns, and each of the others is timed from the webhook
until its new version answers at the front door.
"""

import contextlib
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker.errors

from bench import hosts, models, processes, publishing, reconcilers, registries, rollouts, wishes
from bench.figures import Row, ratio_under
from bench.origin import Origin

_AREA = "acceptance"
_OTHERS = tuple(f"bench-quick-{number}" for number in range(4))
_SLOW = "bench-slow"
_TEST_S = 40
_TURNS = 3
_PATIENCE_S = 240.0
_IMAGE, _TAG = "plimsoll-bench-slow-test", "dev"
_SAID = json.dumps({"contract": "plimsoll.dev/trial/v1", "passed": True})
_PROGRAM = f"import time; time.sleep({_TEST_S}); print({_SAID!r})"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that takes part; `digests` has those of each model's versions 1, 2, ..."""

    registry: registries.Running
    reconciler: reconcilers.Running
    origin: Origin
    host: hosts.Host
    digests: dict[str, list[str]]
    asked: dict[str, int] = field(default_factory=dict)

    def ask(self, names: Sequence[str]) -> str:
        """One commit that moves all of `names` on to their next version, and the webhook."""
        files: dict[str, bytes] = {}
        for name in names:
            version = self.asked[name] = self.asked.get(name, 0) + 1
            files |= _wish(name, version, self.digests[name][version - 1], self.host.name)
        commit = self.origin.push(files)
        self.reconciler.ring()
        return commit

    def serves(self, name: str) -> bool:
        """Whether clients get the version that was asked for last."""
        found = rollouts.answering(self.host.port, name)
        return found == self.digests[name][self.asked[name] - 1]


def rows(folder: Path) -> Iterator[Row]:
    """In turns, so that what else the machine does meets both alike."""
    names = [*_OTHERS, _SLOW]
    with (
        hosts.borrowed() as host,
        _image(host),
        registries.running(folder, also_on=[hosts.gateway(host.api)]) as registry,
    ):
        digests = _published(registry, folder, names)
        origin = Origin(folder)
        engine = wishes.host(host.name, engine=hosts.SOCKET, port=host.port)
        origin.push(wishes.carried() | engine | _template())
        with reconcilers.running(registry, origin, folder) as reconciler:
            stage = Stage(registry, reconciler, origin, host, digests)
            _turn(stage, names)  # brings up the ingress, too
            alone, beside, slow = list[float](), list[float](), list[float]()
            for _ in range(_TURNS):
                alone += _turn(stage, _OTHERS)
                *others, last = _turn(stage, names)
                beside += others
                slow.append(last)
            yield _row(alone, beside, slow)


def _row(alone: list[float], beside: list[float], slow: list[float]) -> Row:
    if min(slow) < max(_TEST_S, *beside):
        raise RuntimeError("the slow deployment was not the last one: nothing was measured")
    return Row(
        _AREA,
        f"commit to serving of {len(_OTHERS)} deployments beside one whose test takes {_TEST_S} s, "
        f"p50 of {len(beside)}",
        statistics.median(beside),
        "s",
        f"the same without it, {statistics.median(alone):.1f} s; slowest {max(beside):.1f} and "
        f"{max(alone):.1f} s; the slow one {statistics.median(slow):.1f} s",
        statistics.median(beside) / statistics.median(alone),
        ratio_under(1.5),
    )


def _turn(stage: Stage, names: Sequence[str]) -> list[float]:
    """Seconds from the webhook to the new version's answer, for each of `names`."""
    commit = stage.ask(names)
    begin, took = time.perf_counter(), dict[str, float]()

    def all_serve() -> bool:
        for name in names:
            if name not in took and stage.serves(name):
                took[name] = time.perf_counter() - begin
        return len(took) == len(names)

    processes.await_true(all_serve, f"{', '.join(names)} serving", timeout=_PATIENCE_S, every=0.05)
    processes.await_true(
        lambda: all(rollouts.is_settled(stage.registry, name, commit) for name in names),
        "the rollouts settling",
        timeout=_PATIENCE_S,
    )
    return [took[name] for name in names]


def _wish(name: str, version: int, digest: str, host: str) -> dict[str, bytes]:
    files = wishes.deployment(
        name, version=version, digest=digest, form="onnx", host=host, memory="512Mi"
    )
    if name != _SLOW:
        return files
    return {path: text.replace(b"digits-golden", _SLOW.encode()) for path, text in files.items()}


def _template() -> dict[str, bytes]:
    """That of the others, with a test that waits besides."""
    folder = "models.d/templates"
    text = wishes.carried()[f"{folder}/digits-golden.yaml"]
    text = text.replace(b"name: digits-golden", f"name: {_SLOW}".encode())
    more = f'  container: {{image: "{_IMAGE}:{_TAG}", timeout: {2 * _TEST_S}s}}\n'
    return {f"{folder}/{_SLOW}.yaml": text.rstrip() + b"\n" + more.encode()}


@contextmanager
def _image(host: hosts.Host) -> Iterator[None]:
    """The image of a test that waits and passes: the runtime's, with another program."""
    made = host.api.create_container(wishes.RUNTIME_IMAGE, entrypoint=["true"])
    changes = [f"ENTRYPOINT {json.dumps(['python3', '-I', '-c', _PROGRAM])}", "CMD []"]
    try:
        host.api.commit(made["Id"], repository=_IMAGE, tag=_TAG, changes=changes)
        yield
    finally:
        host.api.remove_container(made["Id"], v=True, force=True)
        with contextlib.suppress(docker.errors.APIError):
            host.api.remove_image(f"{_IMAGE}:{_TAG}", force=True)


def _published(
    registry: registries.Running, folder: Path, names: Sequence[str]
) -> dict[str, list[str]]:
    """As many versions as there are turns; models of one network, told apart by a description."""
    network = models.onnx(folder, seed=1)
    versions = range(1, 2 + 2 * _TURNS)
    return {
        name: [
            publishing.publish(
                registry,
                models.described(network, folder / f"{name}-{version}", f"{name} {version}"),
                model=name,
                version=version,
                form="onnx",
            )
            for version in (versions if name != _SLOW else range(1, 2 + _TURNS))
        ]
        for name in names
    }
