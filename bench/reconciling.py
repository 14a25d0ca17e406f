"""One reconciler with many quiet hosts: `python -m bench.reconciling N FOLDER`.

N deployments on five hosts each, fifty to a host. Everything is real but the hosts, the registry,
which takes every status at once, and the time, which is CPU time of this process where it says so.
Prints its figures as JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import quote

import structlog

from bench import memory as counted
from bench import wishes
from bench.origin import Origin
from bench.quiet_hosts import QuietHost
from reconciler import client, lanes, repo, source, state, statuses
from reconciler import memory as remembering
from reconciler.core import actions, desired, rolloutjson
from reconciler.core.observed import Health, HostState, InstanceSpec, Phase
from reconciler.core.plan import Planner
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import HostRollout, Rollout
from reconciler.engines.protocol import Engine

T = TypeVar("T")

_HOSTS_EACH = 5
_A_HOST = 50
_IDLE_S = 24.0
_PAUSE_S = 2.0
_CHANGES = 5


class Taking:
    """A registry that takes whatever it is told."""

    def __init__(self) -> None:
        self.told = 0

    def report(self, deployment: str, status: object) -> None:  # noqa: ARG002
        """Taken."""
        self.told += 1


class Rig:
    """All parts of a reconciler but those that act."""

    def __init__(self, count: int, folder: Path) -> None:
        self.figures: dict[str, float] = {}
        self.files = _files(count)
        self.origin = Origin(folder)
        self.origin.push(self.files)
        self.repository = repo.Repository(
            self.origin.url, branch="main", folder=folder / "clone.git", author=("Bench", "b@b.b")
        )
        self.reader = desired.Reader()
        self.planner, self.registry = Planner(), Taking()
        self.statuses = statuses.Statuses(cast("client.Registry", self.registry))
        self.state = self._read("first reading")
        self.specs = _specs(self.state)
        self.hosts = {name: QuietHost(name, specs) for name, specs in self.specs.items()}
        self.folder = folder / "state"
        self._remember()

    def measure(self) -> dict[str, float]:
        """All figures, in seconds unless the name says otherwise."""
        with (
            closing(state.StateFolder(self.folder)) as folder,
            closing(lanes.Lanes(lambda name, _: cast("Engine", self.hosts[name]))) as many,
        ):
            self.memory = self._cpu("remembering at the start", lambda: remembering.Memory(folder))
            many.follow(self.state.hosts)
            many.watch(lambda: None)
            began, cpu = time.perf_counter(), time.process_time()
            self._round(many)
            self.figures["first look and plan, wall"] = time.perf_counter() - began
            self.figures["first look and plan"] = time.process_time() - cpu
            self._cpu("first statuses", self._report_all)
            self._idle(many)
            for number in range(_CHANGES):
                self._change(number)
            self._death()
            for number in range(_CHANGES):
                self._effect(number)
            self.figures["memory, MiB"] = counted.peak([os.getpid()]) / counted.MIB
        return self.figures

    def _round(self, many: lanes.Lanes) -> tuple[actions.Action, ...]:
        now = time.time()
        observed = many.look(timeout_s=30.0)
        self.observed = observed
        known = self.memory.look(observed, now)
        return self.planner.plan(self.state, observed, known, now).actions

    def _report_all(self) -> None:
        self.statuses.report(self.planner, self.state, time.time())
        while self.statuses.is_behind:
            self.statuses.report(self.planner, self.state, time.time())

    def _idle(self, many: lanes.Lanes) -> None:
        """As the loop does where nothing happens: a round, and a pause."""
        looks = sum(host.looks for host in self.hosts.values())
        began, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() - began < _IDLE_S:
            if self._round(many):
                raise ValueError("the fleet that was made here is not converged")
            self.statuses.report(self.planner, self.state, time.time())
            time.sleep(_PAUSE_S)
        took = time.perf_counter() - began
        self.figures["idle, % of a core"] = (time.process_time() - cpu) / took * 100
        self.figures["idle, looks a second"] = (
            sum(host.looks for host in self.hosts.values()) - looks
        ) / took

    def _change(self, number: int) -> None:
        """One deployment asks for another version. The smallest of all times counts."""
        path = f"models.d/{wishes.ENVIRONMENT}/model-{number}.yaml"
        self.files[path] = self.files[path].replace(b"version: 1,", b"version: 2,")
        self.origin.push({path: self.files[path]})
        self.state = self._read("reading a commit")
        now, known = time.time(), self.memory.rollouts()
        planned = self._cpu(
            "plan", lambda: self.planner.plan(self.state, self.observed, known, now)
        )
        anew = float(self.planner.renewed)
        self.figures["planned anew"] = min(anew, self.figures.get("planned anew", anew))
        if len(planned.actions) != _HOSTS_EACH * (number + 1):
            raise ValueError(f"one change came to {len(planned.actions)} actions")
        if number == 0:
            self._cpu("all statuses at a new commit", self._report_all)
        self._cpu("whole plan", lambda: Planner().plan(self.state, self.observed, known, now))

    def _effect(self, number: int) -> None:
        """What a start makes known is saved before it is begun."""
        one = self.state.deployments[f"{wishes.ENVIRONMENT}/model-{number}"]
        spec = one.spec_on(one.hosts[0], self.state.commit)
        start = actions.Start(spec.host, spec, "r", Reason(Why.NEW_SPEC, "it is new"))
        self._cpu("remembering an effect", lambda: self.memory.intend(start, time.time()))

    def _death(self) -> None:
        """One instance dies: no commit, one deployment to plan and one status to tell."""
        self._report_all()
        host = next(reversed(self.observed))
        seen = self.observed[host]
        if not isinstance(seen, HostState):
            raise TypeError(f"{host} was not seen")
        dead = replace(seen.instances[-1], phase=Phase.EXITED, health=Health.NONE)
        after = replace(seen, instances=(*seen.instances[:-1], dead))
        now, known, told = time.time(), self.memory.rollouts(), self.registry.told
        observed = {**self.observed, host: after}
        self._cpu("plan after a death", lambda: self.planner.plan(self.state, observed, known, now))
        self._cpu("statuses after a death", self._report_all)
        self.figures["statuses told after a death"] = self.registry.told - told

    def _read(self, name: str) -> desired.DesiredState:
        commit = self.repository.fetch()
        found = self._cpu(
            name,
            lambda: self.reader.load(source.read(self.repository, commit), commit=commit),
        )
        self.figures[f"{name}, files parsed"] = self.reader.shelf.parsed
        if found.problems:
            raise found.problems[0].error()
        return found

    def _cpu(self, name: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        done = work()
        took = time.process_time() - began
        self.figures[name] = min(took, self.figures.get(name, took))
        return done

    def _remember(self) -> None:
        """As if all had been rolled out before. Not by way of the memory, which is in no hurry."""
        (self.folder / "rollouts").mkdir(parents=True)
        for key, one in self.state.deployments.items():
            facts = {
                host: HostRollout(last_good=one.spec_on(host, self.state.commit))
                for host in one.hosts
            }
            text = rolloutjson.dump({key: Rollout(facts)})
            (self.folder / "rollouts" / f"{quote(key, safe='')}.json").write_bytes(text)


def _files(count: int) -> dict[str, bytes]:
    hosts = count * _HOSTS_EACH // _A_HOST
    files = wishes.carried()
    for number in range(hosts):
        files |= wishes.host(f"edge-{number}", engine=Path("/run/docker.sock"), port=8501)
    for number in range(count):
        names = ", ".join(
            f"edge-{(number * _HOSTS_EACH + one) % hosts}" for one in range(_HOSTS_EACH)
        )
        digest = f"sha256:{number:064x}"
        files |= wishes.deployment(
            f"model-{number}", version=1, digest=digest, form="onnx", host=names
        )
    return files


def _specs(state: desired.DesiredState) -> dict[str, list[InstanceSpec]]:
    found: dict[str, list[InstanceSpec]] = {name: [] for name in state.hosts}
    for one in state.deployments.values():
        for host in one.hosts:
            found[host].append(one.spec_on(host, state.commit))
    return found


def main() -> None:
    """Measure, and print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    print(json.dumps(Rig(int(sys.argv[1]), Path(sys.argv[2])).measure()))


if __name__ == "__main__":
    main()
