"""Jobs in children: kept by what they were made of, ended at their limits, and never half there."""

from pathlib import Path

import pytest

from registry.errors import Unsupported
from registry.making.optimising.children import Bounds
from registry.making.optimising.kept import File, Work
from tests.making.optimising import networks

BOUNDS = Bounds(8 << 30, 300)


def test_a_job_that_was_done_is_not_done_again_and_another_model_is(tmp_path: Path) -> None:
    source = File.of(networks.model(tmp_path / "model.onnx"))
    work = Work(tmp_path / "work", BOUNDS)
    first = work.do("gather", {}, {"model": source})
    inode = first.model.path.stat().st_ino
    again = Work(tmp_path / "work", Bounds(1, 1)).do("gather", {}, {"model": source})
    assert again.model.path.stat().st_ino == inode
    assert again.answer == first.answer
    other = File.of(networks.model(tmp_path / "other.onnx", fixed=4))
    assert work.do("gather", {}, {"model": other}).folder != first.folder


@pytest.mark.parametrize(
    ("bounds", "said"),
    [(Bounds(8 << 30, 1), "longer than 1 s|processor time"), (Bounds(1 << 20, 60), "ended with")],
    ids=["too slow", "too large"],
)
def test_a_job_at_its_limit_is_ended_and_leaves_nothing(
    tmp_path: Path, bounds: Bounds, said: str
) -> None:
    model = networks.model(tmp_path / "model.onnx")
    golden = networks.samples(tmp_path / "golden.npz", 50, of=model)
    asked = {"batch": 1, "requests": 10**7, "threads": 1, "output": None}
    files = {"model": File.of(model), "before": File.of(model), "golden": File.of(golden)}
    with pytest.raises(Unsupported, match=said):
        Work(tmp_path / "work", bounds).do("latency", asked, files)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_job_that_refuses_says_why_and_how_to_mend_it(tmp_path: Path) -> None:
    model = File.of(networks.model(tmp_path / "model.onnx"))
    step = {"prune": {"method": "magnitude", "sparsity": 0.5, "scope": "layer", "exclude": ["*"]}}
    with pytest.raises(Unsupported, match="no layer to prune") as refused:
        Work(tmp_path / "work", BOUNDS).do("step", {"step": step}, {"model": model})
    assert refused.value.fix == "exclude fewer"
