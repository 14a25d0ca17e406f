"""Tests in containers, on a real engine: what they reach, and what they cannot do to a host."""

import json
import socket
import textwrap
import time
from collections.abc import Iterator

import pytest

from reconciler.core.trials import container
from reconciler.core.trials.container import Ended
from reconciler.engines import wire
from reconciler.engines.protocol import Trial
from registry import errors
from tests.engines import images, rigs
from tests.engines.rigs import Docker, start

NAME = "plimsoll-trial-of-a-test"
LOOK_AROUND = """\
import os, socket, urllib.request
trial = json.loads(os.environ["PLIMSOLL_TRIAL"])

def tried(what):
    try:
        what()
        return 1
    except OSError:
        return 0

def predict():
    body = b'{"instances": [[0]]}'
    urllib.request.urlopen(urllib.request.Request(trial["predict"], data=body), timeout=60).read()

def reaches(end):
    return lambda: socket.create_connection((end[0], end[1]), timeout=0.5).close()

def writes(path):
    return lambda: open(path, "w").write("x")

doors = {"door%d" % n: tried(reaches(end)) for n, end in enumerate(trial["parameters"]["ends"])}
metrics = {
    "candidate": tried(predict), **doors,
    "names": tried(lambda: socket.getaddrinfo("example.com", 80)),
    "root": tried(writes("/x")), "home": tried(writes("/var/x")), "tmp": tried(writes("/tmp/x")),
    "user": os.getuid(), "capabilities": int(
        next(l for l in open("/proc/self/status") if l.startswith("CapEff")).split()[1], 16),
}
print(json.dumps({"contract": trial["contract"], "passed": True, "metrics": metrics}))
"""


@pytest.fixture(scope="module")
def rig(built_images: None) -> Iterator[Docker]:
    with rigs.docker_host() as rig:
        start(rig, rig.spec())
        yield rig


def trial(rig: Docker, code: str, **parameters: object) -> Trial:
    spec = rig.spec()
    spoken = container.Container(image=images.TRIAL)
    told = container.told(
        spoken, url=container.CANDIDATE, model=spec.model, version=spec.version, digest=spec.digest
    )
    told["parameters"] = {"code": "import json\n" + textwrap.dedent(code), **parameters}  # type: ignore[dict-item]
    return Trial(NAME, spec.name, images.TRIAL, 32 << 20, 1.0, json.dumps(told))


def ended(rig: Docker, wanted: Trial) -> Ended:
    trials = rig.engine.trials()
    trials.begin(wanted)
    try:
        until = time.monotonic() + 120
        while (found := trials.look(wanted.name)) is None:
            assert time.monotonic() < until
            time.sleep(0.05)
        return found
    finally:
        trials.end(wanted.name)


def leftovers(rig: Docker) -> list[str]:
    containers = rig.api.containers(all=True, filters={"name": NAME})
    return [one["Id"] for one in [*containers, *rig.api.networks(names=[NAME])]]


def test_a_test_reaches_its_candidate_and_nothing_else(rig: Docker) -> None:
    with socket.create_server(("0.0.0.0", 0)) as ours:  # noqa: S104  any of this machine's addresses
        attached = rig.api.inspect_container(rig.spec().name)["NetworkSettings"]["Networks"]
        gateway = attached["plimsoll"]["Gateway"]
        ends = [
            (gateway, ours.getsockname()[1]),
            (gateway, rig.port + 1000),
            (f"plimsoll-ingress-{rig.host}", 8080),
            ("host.docker.internal", ours.getsockname()[1]),
            ("1.1.1.1", 53),
        ]
        socket.create_connection(ends[0], timeout=60).close()
        found = ended(rig, trial(rig, LOOK_AROUND, ends=ends))
    assert found.code == 0, found.notes
    assert container.read(found.output).metrics == {
        "candidate": 1,
        **{f"door{place}": 0 for place in range(len(ends))},
        "names": 0,
        "root": 0,
        "home": 0,
        "tmp": 1,
        "user": 10001,
        "capabilities": 0,
    }
    assert found.image == rig.api.inspect_image(images.TRIAL)["Id"]  # type: ignore[no-untyped-call]
    assert leftovers(rig) == []
    attached = rig.api.inspect_container(rig.spec().name)["NetworkSettings"]["Networks"]
    assert attached.keys() == {"plimsoll"}


def test_a_test_that_takes_all_memory_is_ended_by_the_engine(rig: Docker) -> None:
    trials = rig.engine.trials()
    trials.begin(trial(rig, "x = b'x' * (1 << 30)"))
    found: list[Ended] = []

    def is_told() -> bool:
        """That it has ended and why, the engine hears by two ways, and of either one first."""
        found[:] = [one for one in [trials.look(NAME)] if one is not None]
        return any(one.is_out_of_memory for one in found)

    try:
        assert wire.until(is_told, timeout=120), found
    finally:
        trials.end(NAME)
    assert [one.code for one in found] == [137]


def test_of_a_flood_of_output_no_more_is_read_than_the_limit(rig: Docker) -> None:
    code = "import sys\nfor _ in range(300):\n    print('x' * 65535)\nsys.exit(1)"
    found = ended(rig, trial(rig, code))
    assert (found.code, len(found.output)) == (1, container.OUTPUT_LIMIT + 1)


def test_a_test_that_never_ends_is_removed_whole_and_begins_anew(rig: Docker) -> None:
    trials = rig.engine.trials()
    endless = trial(rig, "while True: pass")
    trials.begin(endless)
    assert trials.look(NAME) is None
    found = ended(rig, trial(rig, "import sys\nsys.exit('no licence')"))
    assert (found.code, found.notes) == (1, "no licence\n")
    trials.end(NAME)
    assert leftovers(rig) == []
    with pytest.raises(errors.EngineRefused):
        trials.look(NAME)


def test_a_test_does_not_outlive_its_candidate(rig: Docker) -> None:
    """As where the reconciler died in the middle of it."""
    other = rig.spec(2)
    start(rig, other)
    begun = trial(rig, "while True: pass")
    rig.engine.trials().begin(Trial(**{**fields_of(begun), "instance": other.name}))
    assert len(leftovers(rig)) == 2
    rig.engine.remove(other.name)
    assert leftovers(rig) == []


def fields_of(wanted: Trial) -> dict[str, object]:
    return {name: getattr(wanted, name) for name in Trial.__slots__}


def test_an_image_that_is_not_there_or_brings_volumes_is_refused(rig: Docker) -> None:
    made = rig.api.create_container_from_config({"Image": images.TRIAL}, f"{NAME}-volume")
    rig.api.commit(made["Id"], repository="plimsoll-volume", tag="test", changes="VOLUME /data")
    rig.api.remove_container(made["Id"])
    wanted = trial(rig, "pass")
    try:
        for image, why in (
            ("plimsoll-volume:test", r"of a custom test declares volumes \(/data\)"),
            ("plimsoll-nowhere:test", "of a custom test is not on test-"),
        ):
            with pytest.raises(errors.EngineRefused, match=why):
                rig.engine.trials().begin(Trial(**{**fields_of(wanted), "image": image}))
        assert rig.engine.trials().obstacles(images.TRIAL) == []
    finally:
        rig.api.remove_image("plimsoll-volume:test")
    assert leftovers(rig) == []
