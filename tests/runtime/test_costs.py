"""What a version takes of memory: estimated once, measured from then on."""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from registry.errors import UnsafeModel
from runtime import costs, memory
from runtime.backends import opening
from runtime.backends.protocol import DEFAULT_CALL, Settings
from runtime.costs import Costs, Scales
from runtime.memory import Needed
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

KEY = costs.key("sha256:" + "7" * 64, "none", "copied")
MIB = 1 << 20


def test_what_was_measured_takes_the_place_of_what_files_let_one_guess(tmp_path: Path) -> None:
    known = Costs(tmp_path / "costs")
    assert known.needed(KEY, files=100) == Needed(115, "by the size of its files")
    known.remember(KEY, 40)
    known.remember(KEY, 30)
    assert Costs(tmp_path / "costs").needed(KEY, files=100) == Needed(40, "as at an earlier load")
    known.forget("8" * 64)
    assert known.needed(KEY, files=100).size == 40
    assert known.digests() == {"7" * 64}
    known.forget("7" * 64)
    assert known.needed(KEY, files=100).size == 115


@pytest.mark.parametrize("damaged", [b"", b"[]", b'{"bytes": -1}', b'{"bytes": "many"}', b"\xff"])
def test_a_damaged_number_is_none(tmp_path: Path, damaged: bytes) -> None:
    known = Costs(tmp_path)
    (tmp_path / KEY).write_bytes(damaged)
    assert known.needed(KEY, files=100).size == 115


def test_a_load_is_weighed_at_its_most_and_only_where_it_was_alone(tmp_path: Path) -> None:
    known = Costs(tmp_path)
    scales = Scales(known)
    gc.collect()  # what other tests left, given back meanwhile, is taken off the weight

    async def main() -> None:
        with ThreadPoolExecutor(1) as engine:
            async with scales.weighing(KEY, engine) as alone:
                np.ones(144 * MIB, dtype=np.uint8)
                kept = np.ones(64 * MIB, dtype=np.uint8)
            assert kept.size
            assert alone.size is not None
            assert 32 * MIB <= alone.size < 400 * MIB
            assert known.needed(KEY, files=1).size == alone.size
            async with (
                scales.weighing("a", engine) as first,
                scales.weighing("b", engine) as second,
            ):
                pass
            assert (first.size, second.size) == (None, None)

    asyncio.run(main())
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_what_may_block_is_not_done_on_the_event_loop(tmp_path: Path) -> None:
    class Told(Costs):
        threads: ClassVar[list[str]] = []

        def remember(self, key: str, size: int) -> None:
            self.threads.append(threading.current_thread().name)
            super().remember(key, size)

    async def main() -> None:
        with ThreadPoolExecutor(1, "load") as engine:
            async with Scales(Told(tmp_path)).weighing(KEY, engine):
                pass

    asyncio.run(main())
    assert Told.threads == ["load_0"]


def test_a_load_that_fails_is_not_remembered_and_watched_no_longer(tmp_path: Path) -> None:
    known = Costs(tmp_path)
    scales = Scales(known)

    async def main() -> None:
        with ThreadPoolExecutor(1) as engine:
            with pytest.raises(ZeroDivisionError):
                async with scales.weighing(KEY, engine):
                    raise ZeroDivisionError
            async with scales.weighing(KEY, engine) as next_one:
                pass
        assert next_one.size is not None, "the one that failed is under way no longer"

    asyncio.run(main())
    assert not [one for one in threading.enumerate() if one.name == "weigh"]


@pytest.mark.parametrize(
    ("said", "mount", "names"),
    [
        ("0::/system.slice/p.service", "sys/fs/cgroup",
         ("memory.max", "memory.current", "inactive_file")),
        ("12:cpu:/a\n4:memory:/system.slice/p.service\n0::/", "sys/fs/cgroup/memory",
         ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    ],
    ids=["v2", "v1"],
)  # fmt: skip
def test_every_group_around_the_process_holds(
    tmp_path: Path, said: str, mount: str, names: tuple[str, str, str]
) -> None:
    """A service with a limit of its own, in a slice that has a smaller one."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(f"MemAvailable: {9000 << 10} kB\n")
    (tmp_path / "proc/self/cgroup").write_text(said + "\n")
    for folder, limit in (("system.slice/p.service", 900), ("system.slice", 500)):
        group = tmp_path / mount / folder
        group.mkdir(parents=True, exist_ok=True)
        (group / names[0]).write_text(f"{limit * MIB}\n")
        (group / names[1]).write_text(f"{100 * MIB}\n")
        (group / "memory.stat").write_text(f"{names[2]} 0\n")
    assert memory.shortage(Needed(300 * MIB, ""), root=tmp_path) == ""
    said = memory.shortage(Needed(400 * MIB, ""), root=tmp_path)
    assert said.startswith("400 MiB of memory are free within")


def test_the_next_load_knows_what_the_last_one_took(runtime: Runtime, registry: StandIn) -> None:
    """24 MiB of its files are for nobody: by their size it would not fit."""
    padding = {"padding.bin": bytes(24 * MIB)}
    runtime.models = [pin(registry.publish(models.onnx_digits() | padding))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.child is not None
        pages = int(Path(f"/proc/{runtime.child.pid}/statm").read_text().split()[1])
    [measured] = (runtime.cache / "costs").iterdir()
    assert measured.name.endswith(".none.copied")
    measured.write_bytes(b'{"bytes":1048576}')
    runtime.limits = {"memoryBytes": pages * 4096 + 40 * MIB}
    with running(runtime):
        runtime.until_state("AVAILABLE")


def matrix(folder: Path, *, is_apart: bool) -> Path:
    """32 MiB of weights, beside the graph or inside it."""
    weights = np.full((2048, 4096), 0.5, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2048])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4096])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "model.onnx"
    onnx.save(model, path, save_as_external_data=is_apart, location="weights.bin")
    return folder


def test_mapped_weights_are_their_files_own_pages_and_answer_the_same(tmp_path: Path) -> None:
    files = matrix(tmp_path, is_apart=True)
    taken, answers = {}, {}
    for weights in ("copied", "mapped"):
        before = memory.anonymous()
        backend = opening.opened("onnx", files, Settings(threads=1, weights=weights))
        x = np.ones((1, 2048), dtype=np.float32)
        answers[weights] = backend.run(DEFAULT_CALL, {"x": x})["y"]
        taken[weights] = memory.anonymous() - before
        maps = Path("/proc/self/maps").read_text()
        assert ("weights.bin" in maps) is (weights == "mapped")
        backend.close()
    assert taken["mapped"] < taken["copied"] - 24 * MIB
    np.testing.assert_allclose(answers["mapped"], answers["copied"], rtol=1e-5)


def test_weights_inside_the_graph_cannot_be_mapped(tmp_path: Path) -> None:
    with pytest.raises(UnsafeModel, match="are inside"):
        opening.opened("onnx", matrix(tmp_path, is_apart=False), Settings(weights="mapped"))
