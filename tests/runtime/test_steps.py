"""Versions with steps: clients send files and texts, and get words."""

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from registry.core import canonical
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import opening
from runtime.backends.isolated import IsolatedBackend
from runtime.backends.protocol import DEFAULT_CALL, Backend, Settings, objects
from tests.runtime import models, stepped_models
from tests.runtime.clients.environment import seen
from tests.runtime.process import ROOT, Runtime, children, kill, pin, running
from tests.runtime.stand_in import StandIn
from tests.runtime.stepped_models import DIGIT_STEPS, NUMBERS, TEXT_STEPS, picture


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def inside(path: Path, files: dict[str, bytes]) -> Backend:
    """In this process, so that a test is a matter of milliseconds."""
    return opening.loaded("onnx", folder(path, files), Settings())


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Backend:
    return inside(tmp_path_factory.mktemp("digits"), stepped_models.seen_digits())


@pytest.fixture(scope="module")
def praise(tmp_path_factory: pytest.TempPathFactory) -> Backend:
    return inside(tmp_path_factory.mktemp("praise"), stepped_models.praise())


def asked(backend: Backend, *items: bytes) -> dict[str, Any]:
    (name,) = backend.calls[DEFAULT_CALL].inputs
    return backend.run(DEFAULT_CALL, {name: objects(items, (len(items),))})


def refused(backend: Backend, *items: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        asked(backend, *items)
    return caught.value.detail


def png(width: int, height: int, *, depth: int = 8) -> bytes:
    """A PNG that says it is so large, and holds nothing of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        )

    head = struct.pack("!IIBBBBB", width, height, depth, 0, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_pictures_get_the_labels_that_the_model_gives_to_their_pixels(digits: Backend) -> None:
    images, truth = models.digits()
    found = asked(digits, *(picture(number) for number in range(50)))
    first = [row[0].decode() for row in found["labels"]]
    right = [NUMBERS[label] for label in truth[:50]]
    assert sum(a == b for a, b in zip(first, right, strict=True)) >= 48
    assert found["scores"].shape == (50, 3)
    assert (np.diff(found["scores"], axis=1) <= 0).all()
    assert images.shape[1] == 64


def test_a_jpeg_is_read_as_well_as_a_png(digits: Backend) -> None:
    found = asked(digits, picture(3, form="JPEG"), picture(3))["labels"]
    assert found[0][0] == found[1][0] == b"three"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "input 'image', image 1 is no JPEG or PNG: send the file's bytes as they are"),
        (b"GIF89a" + bytes(40), "image 1 is no JPEG or PNG"),
        (picture(1)[:-40], "image 1 is damaged or cut short: send the whole file"),
        (picture(1, form="JPEG")[:400], "image 1 is damaged or cut short"),
        (png(8, 8), "image 1 is damaged or cut short"),
        (png(8, 8, depth=16), "more than 8 bits a channel"),
        (png(60_000, 60_000), "image 1 has 60000 x 60000 pixels, at most 1000000 are allowed"),
        (png(0, 8), "image 1 is no JPEG or PNG"),
    ],
)  # fmt: skip
def test_a_bad_image_is_refused_by_its_number(digits: Backend, file: bytes, said: str) -> None:
    assert said in refused(digits, picture(0), file)


def test_many_allowed_images_may_still_be_too_much(digits: Backend) -> None:
    assert "9000000 pixels in 9 images" in refused(digits, *[png(1000, 1000)] * 9)


def test_the_shorter_side_may_be_sized_and_the_middle_cut_out(tmp_path: Path) -> None:
    decode = {"kind": "decodeImage", "input": "image", "output": "x", "layout": "NHWC",
              "resize": 20, "crop": [10, 16], "maxPixels": 10_000}  # fmt: skip
    steps = DIGIT_STEPS | {"before": [decode], "after": [], "outputs": ["y"]}
    found = inside(
        tmp_path,
        {
            **models.onnx_identity(2, shape=("n", "h", "w", 3)),
            "plimsoll_steps.json": canonical.encode(steps),
        },
    )
    assert asked(found, picture(0, side=40))["y"].shape == (1, 10, 16, 3)
    assert found.calls[DEFAULT_CALL].signature.outputs[0].shape == (None, None, None, 3)
    narrow = io.BytesIO()
    Image.new("L", (1, 9000)).save(narrow, "PNG")
    assert "too narrow" in refused(found, narrow.getvalue())
    assert "larger image" not in refused(found, b"")


def test_what_would_come_out_is_counted_before_anything_is_read(tmp_path: Path) -> None:
    decode = {"kind": "decodeImage", "input": "image", "output": "x", "resize": [4096, 4096]}
    steps = DIGIT_STEPS | {"before": [decode], "after": [], "outputs": ["y"]}
    identity = models.onnx_identity(2, shape=("n", 3, "h", "w"))
    found = inside(tmp_path, identity | {"plimsoll_steps.json": canonical.encode(steps)})
    assert "which is too much at once: send fewer" in refused(found, *[b""] * 11)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damaged_images_are_answered_or_refused(digits: Backend, data: st.DataObject) -> None:
    file = bytearray(picture(2, form=data.draw(st.sampled_from(["PNG", "JPEG"]))))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert asked(digits, bytes(file))["labels"].shape == (1, 3)
    except InvalidInput as error:
        said = error.detail
        if "input 'image', image 0" not in said:
            raise


def test_texts_get_the_words_for_their_class(praise: Backend) -> None:
    found = asked(praise, b"good and fine", b"awful", b"good bad awful", b"")
    assert found["label"].tolist() == [b"praise", b"blame", b"blame", b"blame"]


def test_a_bad_text_is_refused_by_its_number(praise: Backend) -> None:
    assert refused(praise, b"good", b"\xff\xfe") == "input 'text', text 1 is not UTF-8 (byte 0)"
    assert "text 0 has 1001 bytes, at most 1000 are allowed" in refused(praise, b"x" * 1001)


def test_padding_to_the_longest_has_the_length_of_the_longest(tmp_path: Path) -> None:
    step = {"kind": "tokenise", "input": "text", "ids": "ids", "mask": "mask", "types": "types",
            "length": 4, "padding": "longest", "dtype": "int64"}  # fmt: skip
    steps = TEXT_STEPS | {"before": [step], "outputs": ["ids", "mask", "types", "label"]}
    files = stepped_models.praise() | {"plimsoll_steps.json": canonical.encode(steps)}
    found = asked(inside(tmp_path, files), b"good", b"bad bad fine")
    assert found["ids"].tolist() == [[2, 1, 1], [3, 3, 4]]
    assert found["mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert asked(inside(tmp_path, files), b"good " * 9)["ids"].shape == (1, 4)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(max_size=60), max_size=3))
def test_any_text_has_a_label(praise: Backend, texts: list[str]) -> None:
    items = [text.encode(errors="replace") for text in texts]
    assert asked(praise, *items)["label"].shape == (len(items),)


def test_the_example_in_the_documentation_is_served(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "runtime" / "steps.md").read_text()
    steps = page.split("```json\n", 1)[1].split("```", 1)[0].encode()
    files = stepped_models.seen_digits() | {"plimsoll_steps.json": steps}
    found = asked(inside(tmp_path, files), picture(3, form="JPEG"))
    assert found["labels"].tolist()[0][0] == b"three"


def test_numbers_are_normalised_by_channel(tmp_path: Path) -> None:
    steps = {
        "version": 1,
        "inputs": [{"name": "raw", "dtype": "uint8", "shape": [None, 3]}],
        "before": [{"kind": "normalise", "input": "raw", "output": "x", "scale": 0.5,
                    "mean": [1, 2, 3], "std": [1, 2, 4]}],
        "after": [{"kind": "softmax", "input": "y", "output": "p"},
                  {"kind": "argmax", "input": "y", "output": "best"}],
        "outputs": ["y", "p", "best"],
    }  # fmt: skip
    files = models.onnx_identity(1) | {"plimsoll_steps.json": canonical.encode(steps)}
    backend = opening.opened("onnx", folder(tmp_path, files))
    assert not isinstance(backend, IsolatedBackend)
    found = backend.run(DEFAULT_CALL, {"raw": np.array([[2, 8, 10]], np.uint8)})
    assert found["y"].tolist() == [[0.0, 1.0, 0.5]]
    assert found["best"].tolist() == [1]
    np.testing.assert_allclose(found["p"].sum(axis=1), 1, rtol=1e-6)
    assert backend.calls[DEFAULT_CALL].batches


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"labels.txt": b"zero\none\n"}, "labels.txt has 2 lines, the model has 10 classes"),
        ({"labels.txt": b"\xff\n" * 10}, "labels.txt is not UTF-8"),
        ({"plimsoll_steps.json": b"{}"}, "'version' must be an integer"),
        ({"plimsoll_steps.json": canonical.encode(DIGIT_STEPS | {"before": []})},
         "the model takes 'x', which nothing before it gives"),
    ],
)  # fmt: skip
def test_a_version_whose_steps_do_not_fit_is_not_loaded(
    tmp_path: Path, changed: dict[str, bytes], said: str
) -> None:
    with pytest.raises(UnsafeModel, match=said):
        inside(tmp_path, stepped_models.seen_digits() | changed)


def test_what_is_no_tokenizer_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(UnsafeModel, match=r"tokenizer\.json is no tokenizer"):
        inside(tmp_path, stepped_models.praise() | {"tokenizer.json": b"{}"})


def test_stock_clients_send_a_picture_and_texts_and_a_killed_decoder_comes_back(
    tmp_path: Path, registry: StandIn, runtime: Runtime
) -> None:
    runtime.models = [
        pin(registry.publish(stepped_models.seen_digits(), model="seen"))
        | {"batching": {"maxBatchSize": 8}},
        pin(registry.publish(stepped_models.praise(), model="praise")),
    ]
    runtime.more = {"grpcListen": runtime.grpc}
    jpeg = picture(3, form="JPEG")
    (tmp_path / "three.jpg").write_bytes(jpeg)
    with running(runtime):
        runtime.until(lambda: runtime.get("/readyz").status_code == 200)
        told = seen(
            "with_steps.py", f"127.0.0.1:{runtime.port}", runtime.grpc, str(tmp_path / "three.jpg")
        )
        for way in ("http", "grpc"):
            assert told[way]["image"][0][0] == "three"
            assert told[way]["text"] == [["praise"], ["blame"]]
            assert "image 1 is no JPEG or PNG" in told[way]["noise"]
        assert told["metadata"]["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
        body = {"instances": [{"b64": base64.b64encode(jpeg).decode()}]}
        answer = runtime.post("/v1/models/seen:predict", body)
        assert answer.json()["predictions"][0]["labels"][0] == "three"
        number = runtime.post("/v1/models/seen:predict", {"instances": [7]})
        assert number.status_code == 400
        _kill_children(runtime)
        assert runtime.post("/v1/models/seen:predict", body).status_code == 503
        runtime.until(lambda: runtime.post("/v1/models/seen:predict", body).status_code == 200)


def _kill_children(runtime: Runtime) -> None:
    assert runtime.child is not None
    for one in children(runtime.child.pid):
        kill(one)
