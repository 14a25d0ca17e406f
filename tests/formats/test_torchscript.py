"""TorchScript: PyTorch's own files, flaws built record by record, and what is told of each."""

import ast
import zipfile
from pathlib import Path

import pytest

from registry import errors
from registry.core.tensors import Signature, Tensor
from registry.formats import torch_code, torch_ops
from tests.formats import torchscript_models
from tests.formats.inspecting import inspect, inspect_built, verdict

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, Path]:
    return {name: GOLDEN / name}


def unknown(*names: str) -> tuple[Tensor, ...]:
    return tuple(Tensor(name, "unknown", None) for name in names)


def test_a_scripted_module_tells_its_inputs_and_outputs_and_not_their_types():
    found = inspect(golden("scripted.pt"))
    assert found.format == "torchscript"
    assert found.signature == Signature(
        unknown("tokens", "lengths"), unknown("output_0", "output_1")
    )
    assert found.detail["forward"] == (
        "forward(tokens: Tensor, lengths: Optional[Tensor]) -> Tuple[Tensor, Tensor]"
    )
    assert found.detail["parameters"] == 24 + 16 + 4 + 6
    assert found.detail["dtypes"] == {"float32": 3, "int64": 1}


def test_a_traced_module_tells_the_types_it_was_traced_with():
    found = inspect(golden("traced.pt"))
    assert found.signature.inputs == (Tensor("image", "float32", (None,) * 4),)
    assert found.signature.outputs == unknown("output")


def test_a_quantised_module_is_read():
    found = inspect(golden("quantised.pt"))
    assert found.detail["dtypes"] == {"float32": 1, "qint8": 1}


@pytest.mark.parametrize("name", ["pickled_module.pt", "state_dict.pt"])
def test_a_real_checkpoint_is_refused_with_what_to_do_instead(name: str):
    with pytest.raises(errors.UnsafeModel, match=r"a torch\.save checkpoint") as caught:
        inspect(golden(name))
    assert "safetensors.torch.save_model" in caught.value.fix
    assert "torch.jit.script" in caught.value.fix


def test_the_built_archive_is_accepted_but_for_its_flaws(tmp_path: Path):
    found = inspect_built(tmp_path, torchscript_models.files())
    assert found.signature == Signature(unknown("x", "mask"), unknown("output_0", "output_1"))
    assert found.detail["parameters"] == 13
    assert found.detail["operations"] == 5


def test_extra_files_of_text_are_accepted(tmp_path: Path):
    assert inspect_built(tmp_path, torchscript_models.files(**{"extra/labels.txt": b"a\n"}))


def test_a_module_that_takes_more_than_tensors_tells_so_in_words(tmp_path: Path):
    files = torchscript_models.with_code("x: Tensor,\n    mask", "x: Tensor, n: int,\n    mask")
    found = inspect_built(tmp_path, files)
    assert found.signature.inputs == unknown("x", "mask")
    assert "n: int" in str(found.detail["forward"])


def test_a_module_without_forward_has_no_inputs(tmp_path: Path):
    found = inspect_built(tmp_path, torchscript_models.with_code("def forward", "def encode"))
    assert found.signature == Signature((), ())
    assert found.detail["forward"] is None


@pytest.mark.parametrize("name", torchscript_models.FLAWS)
def test_a_flawed_archive_is_refused_with_its_flaw_and_the_fix(tmp_path: Path, name: str):
    build, expected = torchscript_models.FLAWS[name]
    with pytest.raises(errors.UnsafeModel, match=expected) as caught:
        inspect_built(tmp_path, build(), "torchscript")
    assert caught.value.detail.startswith("model.pt: ")
    assert caught.value.fix


@pytest.mark.parametrize("name", ["scripted.pt", "traced.pt"])
def test_no_flipped_byte_ends_in_anything_but_a_verdict(tmp_path: Path, name: str):
    whole = (GOLDEN / name).read_bytes()
    for position in range(0, len(whole), len(whole) // 40):
        flipped = bytearray(whole)
        flipped[position] ^= 0x55
        said = verdict(tmp_path, {name: bytes(flipped)})
        assert "failed with status" not in said, position


def test_an_operation_in_place_is_judged_by_its_name_without():
    assert torch_ops.is_allowed("relu_")
    assert not torch_ops.is_allowed("set_")
    assert torch_ops.is_denied("set_")


def test_no_allowed_operation_touches_files_or_others():
    telling = ("file", "save", "load", "rpc", "print", "dist_", "nccl", "c10d", "unsafe")
    names = torch_ops.ATEN - {"isprintable"}
    assert not [name for name in names if any(word in name for word in telling)]
    assert not torch_ops.ATEN & torch_ops.DENIED


@pytest.mark.parametrize("name", ["scripted.pt", "traced.pt", "quantised.pt"])
def test_every_file_of_code_that_pytorch_writes_is_python_to_the_parser(name: str):
    with zipfile.ZipFile(GOLDEN / name) as file:
        sources = {
            record.partition("/")[2]: file.read(record)
            for record in file.namelist()
            if record.endswith(".py")
        }
    code = torch_code.parse(name, sources)
    assert any(isinstance(node, ast.ClassDef) for node in code.defined.values())
    assert torch_code.check(name, code) > 0
