"""Inspections in containers of a real Docker Engine: the same verdicts, behind one more wall."""

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy import images
from registry import errors
from registry.formats import container, inspection
from registry.formats.sandbox import Bounds, Failed, Stopped
from registry.settings import Inspecting, Settings
from registry.usecases import log, opening, publish
from tests.formats import onnx_models, safetensors_models
from tests.formats.inspecting import inspect, laid_out
from tests.reconciler.measuring import real
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

Build = Callable[[], dict[str, bytes]]
ENGINE, IMAGE = "unix:///var/run/docker.sock", "plimsoll-registry:dev"


@pytest.fixture(scope="module")
def built() -> None:
    images.build(("registry",), address=ENGINE, base=images.LOCAL, tag="dev")


@pytest.fixture
def containers(built: None, tmp_path: Path) -> Iterator[container.Containers]:
    found = container.Containers(ENGINE, IMAGE, inspection.JOB, owner=str(tmp_path))
    yield found
    found.close()


def left_of(owner: Path) -> list[str]:
    return running_of(owner, "--all")


def running_of(owner: Path, *which: str) -> list[str]:
    label = f"label=dev.plimsoll.inspection={owner}"
    listed = subprocess.run(
        ["docker", "ps", "--quiet", *which, "--filter", label],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return listed.stdout.split()


class Withheld(list[int]):
    """Files that come when the container has ended and not before: it cannot have been quick."""

    def __init__(self, files: list[int], owner: Path) -> None:
        super().__init__(files)
        self._owner = owner
        self._is_measured = False

    def __iter__(self) -> Iterator[int]:
        if self._is_measured:
            real.until(lambda: running_of(self._owner) == [], what=lambda: "it runs on")
        self._is_measured = True
        return super().__iter__()


def test_a_model_is_found_sound_and_the_walls_are_told(
    containers: container.Containers, tmp_path: Path
) -> None:
    by = inspection.Inspector(containers)
    found = inspect(laid_out(tmp_path, onnx_models.files()), by=by)
    assert found.signature.inputs[0].name == "x"
    walls = found.detail["isolation"]
    assert isinstance(walls, list)
    assert walls[0] == "container: no network, read-only, no capabilities"
    assert "no open, socket, fork or exec (seccomp)" in walls
    assert left_of(tmp_path) == []


@pytest.mark.parametrize(
    ("build", "expected"),
    [next(iter(onnx_models.FLAWS.values())), next(iter(safetensors_models.FLAWS.values()))],
)
def test_a_hostile_model_is_refused_as_without_a_container(
    containers: container.Containers, tmp_path: Path, build: Build, expected: str
) -> None:
    with pytest.raises(errors.UnsafeModel, match=expected):
        inspect(laid_out(tmp_path, build()), by=inspection.Inspector(containers))
    assert left_of(tmp_path) == []


def test_several_at_once_do_not_disturb_each_other(
    containers: container.Containers, tmp_path: Path
) -> None:
    by = inspection.Inspector(containers)
    places = laid_out(tmp_path, onnx_models.files())
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: inspect(places, by=by).format, range(3)))
    assert found == ["onnx"] * 3


def test_what_takes_too_long_is_ended_and_nothing_of_it_is_left(
    containers: container.Containers, tmp_path: Path
) -> None:
    bounds = Bounds(memory_bytes=256 << 20, cpu_seconds=20, wall_seconds=0.05)
    with Path("/dev/null").open("rb") as file:
        files = Withheld([file.fileno()], tmp_path)
        outcome = containers.run(b"{}", files=files, bounds=bounds)
    assert outcome == Stopped("took longer than 0.05 s")
    assert left_of(tmp_path) == []


def test_a_job_that_breaks_says_its_last_words(
    containers: container.Containers, tmp_path: Path
) -> None:
    bounds = Bounds(memory_bytes=512 << 20, cpu_seconds=20, wall_seconds=60)
    outcome = containers.run(b"no JSON", files=(), bounds=bounds)
    assert isinstance(outcome, Failed)
    assert "InvalidInput: inspection request" in outcome.reason
    assert left_of(tmp_path) == []


def test_a_registry_that_is_told_to_publishes_by_way_of_a_container(
    built: None, tmp_path: Path
) -> None:
    files = {"model.onnx": onnx_model()}
    alice = Publisher()
    settings = Settings(tmp_path / "data", inspecting=Inspecting(ENGINE, IMAGE))
    alice.list_in(settings.publishers_file)
    registry = opening.open_registry(settings)
    store(registry, files)
    published = publish.publish(registry, alice.draft(files), ALICE)
    with registry.database.reading() as session:
        leaf = log.prove(session, published.version.variants[0].log_index).leaf
    registry.close()
    assert b"container: no network" in leaf


def test_what_a_killed_registry_left_goes_with_the_next_start(
    containers: container.Containers, tmp_path: Path
) -> None:
    label = f"dev.plimsoll.inspection={tmp_path}"
    subprocess.run(["docker", "create", "--label", label, IMAGE], check=True, capture_output=True)
    assert len(left_of(tmp_path)) == 1
    container.Containers(ENGINE, IMAGE, inspection.JOB, owner=str(tmp_path))
    assert left_of(tmp_path) == []


def test_without_its_image_nothing_is_inspected_and_the_fix_is_told(tmp_path: Path) -> None:
    boxes = container.Containers(ENGINE, "no-such-image:1", inspection.JOB, owner=str(tmp_path))
    with pytest.raises(errors.Unavailable, match="no-such-image") as refused:
        inspect(laid_out(tmp_path, onnx_models.files()), by=inspection.Inspector(boxes))
    assert "make images" in refused.value.fix


def test_without_an_engine_the_registry_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(errors.Unavailable, match="cannot be inspected"):
        container.Containers(f"unix://{tmp_path}/no.sock", IMAGE, inspection.JOB, owner="x")
    with pytest.raises(errors.InvalidConfig, match="not a Docker Engine on this machine"):
        container.Containers("tcp://example.org:2375", IMAGE, inspection.JOB, owner="x")
