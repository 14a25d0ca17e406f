"""One version takes over from another, and each way in which that can go wrong.

A broken file, a wrong warm-up and a load under traffic are in test_control.py.
"""

import json
import os
import select
import signal
import threading
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from onnx import TensorProto, helper

from runtime import memory
from runtime.memory import Needed
from tests.runtime import models
from tests.runtime.process import CONTROL_TOKEN, Runtime, halt, only_child, pin, running, sent
from tests.runtime.stand_in import StandIn
from tests.runtime.test_control import load, serving

SLOW = "/v1/models/digits:predict"
LONG = {"inputs": [[0] * 256] * 1000}  # a minute, where it is given one
SHORT = {"inputs": [[0.0] * 256]}


def fails_on_zeros() -> dict[str, bytes]:
    """Loads, and refuses the first input of its declared shape."""
    kind = (TensorProto.FLOAT, ("n", 64))
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    constants = {"shape": models.np.array([7, 11], dtype=models.np.int64)}
    return models.onnx_graph([node], inputs={"x": kind}, outputs={"y": kind}, constants=constants)


def test_a_version_that_is_not_verified_or_not_warm_never_serves(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    unpublished = registry.publication(models.onnx_digits(), version=2)
    cold = registry.publish(fails_on_zeros(), version=3)
    with running(runtime):
        runtime.until_state("AVAILABLE")
        for candidate in (unpublished, cold):
            load(runtime, candidate)
            runtime.until_state("REFUSED", version=candidate.version)
            path = f"digits/versions/{candidate.version}/activate"
            assert runtime.control("POST", path).status_code == 409
            assert serving(runtime) == "1"
        assert "fails on zeros" in runtime.status(3)["reason"]
        assert runtime.get("/readyz").status_code == 200


def test_a_version_that_does_not_fit_into_memory_waits_and_the_old_one_serves_on(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    padding = {"padding.bin": bytes(24 << 20)}
    second = registry.publish(models.onnx_digits(shuffled=True) | padding, version=2)
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.child is not None
        pages = int(Path(f"/proc/{runtime.child.pid}/statm").read_text().split()[1])
    runtime.limits = {"memoryBytes": pages * 4096 + (36 << 20)}
    with running(runtime):
        runtime.until_state("AVAILABLE")
        load(runtime, second)
        runtime.until(lambda: "MiB of memory are free" in runtime.status(2)["reason"])
        assert runtime.status(2)["state"] == "LOADING"
        assert serving(runtime) == "1"
        assert runtime.control("DELETE", "digits/versions/2").status_code == 204


def test_a_pull_says_how_far_it_is(runtime: Runtime, registry: StandIn) -> None:
    published = registry.publish({"a.bin": bytes(5_000_000)} | models.onnx_digits())
    registry.hold_after = 3_000_000
    with running(runtime):
        load(runtime, published)
        runtime.until(lambda: runtime.status()["pulled"]["bytes"] >= 3_000_000)
        pulled = runtime.status()["pulled"]
        assert pulled["bytes"] < pulled["of"]
        registry.release()
        done = runtime.until_state("AVAILABLE")["pulled"]
        assert done["bytes"] == done["of"] > 5_000_000


def test_a_request_that_outlives_the_deadline_does_not_hold_up_the_swap(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_endless()))]
    second = registry.publish(models.onnx_slow(1), version=2)
    runtime.limits = {"deadlineSeconds": 1}
    with running(runtime):
        runtime.until_state("AVAILABLE")
        load(runtime, second)
        runtime.until_state("AVAILABLE", version=2)
        with closing(sent(runtime, SLOW, LONG)) as stuck:
            # Given up already, on a busy machine: the engine is at it all the same.
            runtime.until(lambda: runtime.is_asked() or bool(select.select([stuck], [], [], 0)[0]))
            runtime.control("POST", "digits/versions/2/activate")
            assert runtime.control("DELETE", "digits/versions/1").status_code == 204
            assert stuck.recv(12) == b"HTTP/1.1 504"
            assert '"not drained"' in runtime.log
            runtime.until(lambda: runtime.post(SLOW, SHORT).status_code == 200)
            assert runtime.post(SLOW, SHORT).headers["plimsoll-version"] == "2"


def test_while_one_version_drains_another_can_be_swapped_back_in(
    runtime: Runtime, registry: StandIn
) -> None:
    first = registry.publish(models.onnx_slow(1))
    second = registry.publish(models.onnx_slow(1), version=2)
    runtime.models = [pin(first) | {"isolation": "process"}]
    runtime.limits = {"deadlineSeconds": 120}
    with running(runtime):
        runtime.until_state("AVAILABLE")
        load(runtime, second)
        runtime.until_state("AVAILABLE", version=2)
        model = only_child(runtime)
        halt(model)  # whatever it is asked now stays in flight until it goes on
        with closing(sent(runtime, SLOW, SHORT)) as waiting:
            runtime.until(runtime.is_asked)
            runtime.control("POST", "digits/versions/2/activate")
            draining = threading.Thread(
                target=runtime.control, args=("DELETE", "digits/versions/1")
            )
            draining.start()
            runtime.until(
                lambda: runtime.get("/plimsoll/status").json()["models"][0]["version"] == 2
            )
            assert load(runtime, first).status_code == 202
            runtime.until_state("AVAILABLE")
            assert runtime.control("POST", "digits/versions/1/activate").status_code == 200
            assert runtime.post(SLOW, SHORT).headers["plimsoll-version"] == "1"
            assert draining.is_alive(), "the old copy was not waited for"
            os.kill(model, signal.SIGCONT)
            assert waiting.recv(12) == b"HTTP/1.1 200"
            draining.join()
            assert runtime.post(SLOW, SHORT).headers["plimsoll-version"] == "1"


def test_two_swaps_at_once_leave_one_of_them_and_the_file_says_which(
    runtime: Runtime, registry: StandIn
) -> None:
    published = [registry.publish(models.onnx_digits(), version=number) for number in (1, 2, 3)]
    runtime.models = [pin(published[0])]
    with running(runtime):
        for one in published[1:]:
            load(runtime, one)
            runtime.until_state("AVAILABLE", version=one.version)
        swaps = [
            threading.Thread(
                target=runtime.control, args=("POST", f"digits/versions/{number}/activate")
            )
            for number in (2, 3, 2, 3)
        ]
        for swap in swaps:
            swap.start()
        for swap in swaps:
            swap.join()
        written = json.loads(runtime.config.read_bytes())["models"]
        assert [serving(runtime)] == [str(one["version"]) for one in written if one["active"]]


def test_an_unload_while_a_version_is_opened_leaves_nothing_behind(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publish(models.onnx_slow(2_000))  # its warm-up takes a moment
    with running(runtime):
        load(runtime, published)
        runtime.until(lambda: runtime.status()["pulled"]["of"] > 0)
        headers = {"Authorization": f"Bearer {CONTROL_TOKEN}"}
        url = f"http://127.0.0.1:{runtime.port}/plimsoll/models/digits/versions/1"
        assert httpx2.delete(url, headers=headers, timeout=60).status_code == 204
        assert runtime.get("/plimsoll/status").json()["models"] == []
        load(runtime, published)
        runtime.until_state("AVAILABLE")
        assert "internal error" not in runtime.log


def needed(mib: int) -> Needed:
    return Needed(mib << 20, "as it is")


def meminfo(root: Path, available_mib: int) -> Path:
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {available_mib << 10} kB\n")
    return root


def test_memory_is_what_the_machine_has_left(tmp_path: Path) -> None:
    assert memory.shortage(needed(60), root=meminfo(tmp_path, 100)) == ""
    assert memory.shortage(needed(70), root=tmp_path) == (
        "100 MiB of memory are free on this machine, the version needs 102 MiB as it is: "
        "unload a version, or give the machine more"
    )


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")),
        ("sys/fs/cgroup/memory",
         ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    ],
)  # fmt: skip
def test_in_a_container_memory_is_what_its_limit_leaves_without_dropped_caches(
    tmp_path: Path, folder: str, names: tuple[str, str, str]
) -> None:
    group = meminfo(tmp_path, 10_000) / folder
    group.mkdir(parents=True)
    (group / names[0]).write_text(f"{500 << 20}\n")
    (group / names[1]).write_text(f"{450 << 20}\n")
    (group / "memory.stat").write_text(f"anon 1\n{names[2]} {100 << 20}\n")
    assert memory.shortage(needed(100), root=tmp_path) == ""
    said = memory.shortage(needed(150), root=tmp_path)
    assert said.startswith("150 MiB of memory are free within the container's limit")
    assert "spec.runtime.resources.memory" in said
    (group / names[0]).write_text("max\n" if names[0] == "memory.max" else f"{1 << 62}\n")
    assert memory.shortage(needed(150), root=tmp_path) == ""
