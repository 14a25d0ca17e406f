"""A reconcile of a host that needs nothing: how long it takes, and that it writes nothing."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import counting, figures, hosts, reconcilers, registries, repeating, standins, wishes
from bench.figures import Row
from bench.origin import Origin
from reconciler import config, loop, service, state
from reconciler.core import plan
from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import HostRollout, Rollout
from registry import errors

_AREA = "rollouts"
_INSTANCES = 100
_ROUNDS = 25
_CONVERGING_S = 300.0
_PAUSE_S = 0.1


def rows(folder: Path) -> Iterator[Row]:
    """Rounds of the whole loop: Git state, one look at the engine, plan, apply, status.

    Grows linearly with the containers of the host (one list answers for all of them) and the
    deployments of the fleet; hosts are looked at in parallel.
    """
    with (
        tempfile.TemporaryDirectory() as short,  # a socket's path has 107 bytes at most
        hosts.borrowed() as host,
        registries.running(folder) as registry,
        counting.proxy(Path(short) / "engine.sock", hosts.SOCKET) as calls,
    ):
        files = _wished(host, Path(short) / "engine.sock")
        specs = wishes.specs(files, host.name)
        standins.start(host, specs)
        standins.route(host, specs)
        origin = Origin(folder)
        origin.push(files)
        _remember(folder / "state", specs)
        settings = config.load(reconcilers.configured(registry, origin, folder))
        with service.assembled(settings) as (reconciler, _):
            _converge(reconciler)
            yield from _measured(reconciler, calls, host)


def _wished(host: hosts.Host, socket: Path) -> dict[str, bytes]:
    files = wishes.carried() | wishes.host(host.name, engine=socket, port=host.port)
    for number in range(_INSTANCES):
        digest = f"sha256:{number:064x}"
        files |= wishes.deployment(
            f"bench-{number:03d}",
            version=1,
            digest=digest,
            form="onnx",
            host=host.name,
            memory="64Mi",
        )
    return files


def _remember(folder: Path, specs: Sequence[InstanceSpec]) -> None:
    """As if the reconciler had rolled all of them out before: they are its last known good."""
    memory = state.StateFolder(folder)
    memory.save_rollouts(
        {spec.deployment: Rollout({spec.host: HostRollout(last_good=spec)}) for spec in specs}
    )
    memory.close()


def _converge(reconciler: loop.Loop) -> None:
    """Let it do what there may still be to do, until there is nothing."""
    end = time.monotonic() + _CONVERGING_S
    while _actions(reconciler):
        if time.monotonic() > end:
            raise errors.WaitTimedOut(f"not converged after {_CONVERGING_S:g} s")
        reconciler.tick()
        time.sleep(_PAUSE_S)


def _actions(reconciler: loop.Loop) -> int:
    found = reconciler.gather()
    if found is None:
        return 1
    return len(plan.plan(found.desired, found.observed, found.rollouts, found.now).actions)


def _measured(reconciler: loop.Loop, calls: counting.Calls, host: hosts.Host) -> Iterator[Row]:
    present, since, times = len(host.containers()), len(calls.seen), []
    for _ in range(_ROUNDS):
        time.sleep(_PAUSE_S)
        times.append(repeating.seconds(reconciler.tick))
    reads, writes = len(calls.seen) - since, calls.writes(since=since)
    yield Row(
        _AREA,
        f"engine writes in {_ROUNDS} reconciles of a converged host",
        len(writes),
        "writes",
        f"{reads} requests seen by a proxy of the engine's socket",
        bar=figures.at_most(0),
    )
    yield Row(
        _AREA,
        f"reconcile of a converged host, {present} labelled containers, p50 of {_ROUNDS}",
        statistics.median(times) * 1e3,
        "ms",
        f"slowest {max(times) * 1e3:.0f} ms",
        bar=figures.under(100),
    )
