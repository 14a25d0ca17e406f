"""One conformance suite, passed by every backend."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from registry.core.tensors import Tensor
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import bfloat16, opening, protocol
from runtime.backends.bfloat16 import BFLOAT16
from runtime.backends.protocol import DEFAULT_CALL, Backend, Settings
from tests.runtime import models
from tests.runtime.process import ROOT

WITH_STRINGS = ["onnx", "saved_model", "onnx in its own process"]
FORMATS = [*WITH_STRINGS, "torchscript"]
HEADS = {"onnx": "model.onnx", "saved_model": "saved_model.pb", "torchscript": "model.pt"}


def laid_out(contents: dict[str, bytes], folder: Path) -> Path:
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


OPENED: list[Backend] = []


_LOADED = """
import os, sys
from pathlib import Path
from runtime.backends import opening
opening.opened("onnx", Path(sys.argv[1]))
print(*(os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")[:-1]))
"""


def test_the_engine_tells_its_makers_nothing(tmp_path: Path) -> None:
    folder = laid_out(models.onnx_digits(), tmp_path / "model")
    home = tmp_path / "home"
    home.mkdir()
    # Where it finds itself in CI it is quiet anyway.
    environment = {"HOME": str(home), "PATH": "/usr/bin"}
    run = [sys.executable, "-c", _LOADED, str(folder)]
    opened = subprocess.run(run, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert b"/dev/null" in opened.stdout
    assert b".onnxruntime" not in opened.stdout
    assert list(home.iterdir()) == []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """What a test opened is closed behind it: processes would stay."""
    yield
    while OPENED:
        OPENED.pop().close()


def opened(kind: str, folder: Path) -> Backend:
    form, _, own_process = kind.partition(" ")
    settings = Settings(isolation="process" if own_process else "none")
    OPENED.append(opening.opened(form, folder, settings))
    return OPENED[-1]


def classifier(form: str, folder: Path) -> Backend:
    return opened(form, laid_out(digits_in(form), folder))


def digits_in(kind: str) -> dict[str, bytes]:
    match kind.partition(" ")[0]:
        case "onnx":
            return models.onnx_digits()
        case "saved_model":
            return models.saved_models()[0]
        case _:
            return models.torch_script()


def words(form: str, folder: Path) -> Backend:
    contents = (
        models.saved_models()[1]
        if form == "saved_model"
        else models.onnx_identity(TensorProto.STRING, shape=("n",))
    )
    return opened(form, laid_out(contents, folder))


@pytest.mark.parametrize("form", FORMATS)
def test_it_recognises_digits(form: str, tmp_path: Path) -> None:
    backend = classifier(form, tmp_path)
    [name] = [tensor.name for tensor in backend.calls[DEFAULT_CALL].signature.inputs]
    images, labels = models.digits()
    outputs = backend.run(DEFAULT_CALL, {name: images[:200]})
    assert np.mean(outputs["label"] == labels[:200]) > 0.9
    assert outputs["probabilities"].dtype == np.float32
    assert outputs["probabilities"].shape == (200, 10)


@pytest.mark.parametrize("form", FORMATS)
def test_its_signature_is_read_from_the_file(form: str, tmp_path: Path) -> None:
    backend = classifier(form, tmp_path)
    signature = backend.calls[DEFAULT_CALL].signature
    assert [(tensor.dtype, tensor.shape) for tensor in signature.inputs] == [
        ("float32", (None, 64))
    ]
    assert signature.outputs == (
        Tensor("label", "int64", (None,)),
        Tensor("probabilities", "float32", (None, 10)),
    )


@pytest.mark.parametrize("form", FORMATS)
def test_outputs_come_in_plain_numpy_types(form: str, tmp_path: Path) -> None:
    backend = classifier(form, tmp_path)
    outputs = backend.run(DEFAULT_CALL, protocol.zeros(backend.calls[DEFAULT_CALL].signature))
    assert [str(value.dtype) for _, value in sorted(outputs.items())] == ["int64", "float32"]
    assert type(outputs["label"][0]) is np.int64


@pytest.mark.parametrize("form", WITH_STRINGS)
def test_strings_travel_as_bytes(form: str, tmp_path: Path) -> None:
    backend = words(form, tmp_path)
    [given] = backend.calls[DEFAULT_CALL].signature.inputs
    said = protocol.objects(["Grüße\0".encode(), b""], (2,))
    outputs = backend.run(DEFAULT_CALL, {given.name: said})
    found = outputs["same" if form == "saved_model" else "y"]
    assert found.tolist() == ["Grüße\0".encode(), b""]


@pytest.mark.parametrize("form", WITH_STRINGS)
def test_bfloat16_travels_as_its_bits(form: str, tmp_path: Path) -> None:
    contents = (
        models.saved_models()[2]
        if form == "saved_model"
        else models.onnx_identity(TensorProto.BFLOAT16, shape=("n", 2))
    )
    backend = opened(form, laid_out(contents, tmp_path))
    [given] = backend.calls[DEFAULT_CALL].signature.inputs
    assert given == Tensor("x", "bfloat16", (None, 2))
    numbers = np.array([[1.5, -2.0], [np.inf, 3.140625]], np.float32)
    found = backend.run(DEFAULT_CALL, {"x": bfloat16.narrowed(numbers)})["y"]
    assert found.dtype == BFLOAT16
    assert bfloat16.widened(found).tolist() == numbers.tolist()


@pytest.mark.parametrize("form", FORMATS)
def test_it_says_that_requests_can_be_stacked(form: str, tmp_path: Path) -> None:
    assert classifier(form, tmp_path).calls[DEFAULT_CALL].batches


def test_what_has_no_common_first_axis_is_never_stacked(tmp_path: Path) -> None:
    number, rows, columns = ((TensorProto.FLOAT, shape) for shape in ((), ("n",), ("m",)))
    for place, (first, second) in enumerate([(number, rows), (rows, columns)]):
        graph = models.onnx_graph(
            [helper.make_node("Add", ["a", "b"], ["sum"])],
            inputs={"a": first, "b": second},
            outputs={"sum": rows},
        )
        backend = opening.opened("onnx", laid_out(graph, tmp_path / str(place)))
        assert not backend.calls[DEFAULT_CALL].batches


@pytest.mark.parametrize("form", FORMATS)
def test_many_threads_may_run_it(form: str, tmp_path: Path) -> None:
    backend = classifier(form, tmp_path)
    [name] = [tensor.name for tensor in backend.calls[DEFAULT_CALL].signature.inputs]
    images, _ = models.digits()
    alone = backend.run(DEFAULT_CALL, {name: images[:100]})["label"].tolist()

    def one(row: int) -> int:
        return int(backend.run(DEFAULT_CALL, {name: images[row : row + 1]})["label"][0])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(100))) == alone


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_is_no_model_is_refused(form: str, tmp_path: Path) -> None:
    laid_out(digits_in(form), tmp_path)
    name = HEADS[form.partition(" ")[0]]
    (tmp_path / name).write_bytes(b"\x80\x04 not a model")
    with pytest.raises(UnsafeModel, match="cannot load"):
        opened(form, tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_model_is_refused(form: str, tmp_path: Path) -> None:
    contents = digits_in(form)
    name = max(contents, key=lambda path: len(contents[path]))
    laid_out(contents | {name: contents[name][: len(contents[name]) // 2]}, tmp_path)
    with pytest.raises(UnsafeModel):
        opened(form, tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_without_a_model_is_refused(form: str, tmp_path: Path) -> None:
    (tmp_path / "README").write_bytes(b"nothing here")
    with pytest.raises(UnsafeModel, match="exactly one"):
        opened(form, tmp_path)


def test_a_vocabulary_file_and_ragged_words_are_served(tmp_path: Path) -> None:
    """As in TensorFlow Serving, a ragged input is asked for by its parts: values and row splits."""
    backend = opened("saved_model", laid_out(models.saved_models()[3], tmp_path))
    assert sorted(backend.calls) == ["one", "serving_default"]
    said = protocol.objects([b"line", b"sail", b"ship"], (3,))
    assert backend.run("one", {"word": said})["id"].tolist() == [1, -1, 0]
    values, splits = backend.calls[DEFAULT_CALL].signature.inputs
    assert (values.dtype, splits.dtype) == ("string", "int64")
    rows = np.array([0, 2, 3], np.int64)
    found = backend.run(DEFAULT_CALL, {values.name: said, splits.name: rows})
    assert found["ids"].tolist() == [[1, -1], [0, -2]]
    assert found["counts"].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "nothing says what this TorchScript program takes"),
        (b"{}", "inputs"),
        (b'{"inputs":[{"name":"x","dtype":"float32"}],"outputs":[{"name":"y","dtype":"int8"}]}',
         "names the input 'x', which forward does not take"),
        (b'{"inputs":[{"name":"pixels","dtype":"unknown"}],"outputs":[]}', "of type unknown"),
    ],
)  # fmt: skip
def test_a_program_that_nobody_declared_is_refused(
    tmp_path: Path, said: bytes | None, reason: str
) -> None:
    laid_out(models.torch_script(), tmp_path)
    (tmp_path / "tensors.json").unlink()
    if said is not None:
        (tmp_path / "tensors.json").write_bytes(said)
    with pytest.raises(UnsafeModel, match=reason):
        opened("torchscript", tmp_path)


def test_a_program_takes_and_gives_bfloat16_and_unnamed_outputs(tmp_path: Path) -> None:
    import torch

    class Halved(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x / 2, x.sum(1)

    torch.jit.script(Halved()).save(str(tmp_path / "model.pt"))
    (tmp_path / "tensors.json").write_text(
        '{"inputs":[{"name":"x","dtype":"bfloat16","shape":[null,2]}],'
        '"outputs":[{"name":"half","dtype":"bfloat16","shape":[null,2]},'
        '{"name":"sum","dtype":"bfloat16","shape":[null]}]}'
    )
    given = bfloat16.narrowed(np.array([[1.0, 3.0]]))
    found = opened("torchscript", tmp_path).run(DEFAULT_CALL, {"x": given})
    assert bfloat16.widened(found["half"]).tolist() == [[0.5, 1.5]]
    assert bfloat16.widened(found["sum"]).tolist() == [4.0]


def test_inputs_of_another_shape_do_not_fit(tmp_path: Path) -> None:
    signature = classifier("onnx", tmp_path).calls[DEFAULT_CALL].signature
    protocol.require_fit(signature, {"X": np.zeros((3, 64), np.float32)})
    for shape in ((3, 63), (64,), (1, 1, 64)):
        with pytest.raises(InvalidInput, match=r"the model wants \[-1,64\]"):
            protocol.require_fit(signature, {"X": np.zeros(shape, np.float32)})


def test_strings_are_written_as_text_or_base64(tmp_path: Path) -> None:
    outputs = words("saved_model", tmp_path).run(
        DEFAULT_CALL, {"word": protocol.objects([b"a"], (1,))}
    )
    assert outputs["more_bytes"].tolist() == [b"a\xff\x00"]


def test_serving_a_saved_model_leaves_the_real_tensorflow_importable(tmp_path: Path) -> None:
    """The backend imports past `tensorflow/__init__`; whoever wants all of it still gets it."""
    laid_out(models.saved_models()[0], tmp_path)
    program = (
        "import sys, pathlib\n"
        "from runtime.backends import opening\n"
        "opening.opened('saved_model', pathlib.Path(sys.argv[1]))\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
        "import tensorflow as tf\n"
        "print(tf.reduce_sum(tf.constant([1, 2])).numpy())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == "3"
