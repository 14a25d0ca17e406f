"""Models with steps: digits that are seen as JPEG or PNG files, and words of praise and blame."""

import functools
import io

import numpy as np
from onnx import TensorProto, helper
from PIL import Image
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer
from tokenizers import models as tokenizer_models
from tokenizers.pre_tokenizers import Whitespace

from registry.core import canonical
from tests.runtime import models

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGIT_STEPS: dict[str, object] = {
    "version": 1,
    "inputs": [{"name": "image", "dtype": "string", "shape": [None]}],
    "before": [
        {"kind": "decodeImage", "input": "image", "output": "pixels", "mode": "L",
         "resize": [8, 8], "resample": "box", "maxPixels": 1_000_000},
        {"kind": "normalise", "input": "pixels", "output": "x", "scale": 1 / 255},
    ],
    "after": [
        {"kind": "softmax", "input": "logits", "output": "probabilities"},
        {"kind": "topK", "input": "probabilities", "k": 3, "values": "scores",
         "indices": "classes"},
        {"kind": "labels", "input": "classes", "output": "labels"},
    ],
    "outputs": ["labels", "scores"],
}  # fmt: skip
TEXT_STEPS: dict[str, object] = {
    "version": 1,
    "inputs": [{"name": "text", "dtype": "string", "shape": [None]}],
    "before": [{"kind": "tokenise", "input": "text", "ids": "ids", "mask": "mask", "length": 8,
                "maxBytes": 1000}],
    "after": [{"kind": "argmax", "input": "logits", "output": "class"},
              {"kind": "labels", "input": "class", "output": "label"}],
    "outputs": ["label"],
}  # fmt: skip


@functools.cache
def digits() -> dict[str, bytes]:
    """Trained on the digits of scikit-learn."""
    images, labels = models.digits()
    trained = LogisticRegression(max_iter=200).fit(images, labels)
    return models.onnx_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"], transB=1),
        ],
        inputs={"x": (TensorProto.FLOAT, ("n", 1, 8, 8))},
        outputs={"logits": (TensorProto.FLOAT, ("n", 10))},
        constants={
            "weights": trained.coef_.astype(np.float32),
            "bias": trained.intercept_.astype(np.float32),
        },
    )


def seen_digits(steps: dict[str, object] | None = None) -> dict[str, bytes]:
    """The model with its steps and labels, as a version's files."""
    return {
        **digits(),
        "labels.txt": "\n".join(NUMBERS).encode() + b"\n",
        "plimsoll_steps.json": canonical.encode(steps or DIGIT_STEPS),
    }


@functools.cache
def praise() -> dict[str, bytes]:
    """Adds up what each word says, where the mask has one."""
    tokenizer = Tokenizer(
        tokenizer_models.WordLevel(
            {"[UNK]": 0, "[PAD]": 1, "good": 2, "bad": 3, "fine": 4, "awful": 5}, unk_token="[UNK]"
        )
    )
    tokenizer.pre_tokenizer = Whitespace()
    says = np.array([[0, 0], [9, 9], [0, 1], [1, 0], [0, 1], [2, 0]], np.float32)
    model = models.onnx_graph(
        [
            helper.make_node("Gather", ["says", "ids"], ["each"]),
            helper.make_node("Cast", ["mask"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["real", "last"], ["weight"]),
            helper.make_node("Mul", ["each", "weight"], ["counted"]),
            helper.make_node("ReduceSum", ["counted", "middle"], ["logits"], keepdims=0),
        ],
        inputs=dict.fromkeys(("ids", "mask"), (TensorProto.INT64, ("n", "length"))),
        outputs={"logits": (TensorProto.FLOAT, ("n", 2))},
        constants={"says": says, "last": np.array([2]), "middle": np.array([1])},
    )
    return {
        **model,
        "tokenizer.json": tokenizer.to_str().encode(),
        "labels.txt": b"blame\npraise\n",
        "plimsoll_steps.json": canonical.encode(TEXT_STEPS),
    }


def picture(number: int, *, form: str = "PNG", side: int = 64) -> bytes:
    """A digit of the data set, as a file of `side` pixels."""
    images, _ = models.digits()
    small = Image.fromarray((images[number].reshape(8, 8) * 255).astype(np.uint8))
    found = io.BytesIO()
    small.resize((side, side), Image.Resampling.NEAREST).save(found, form)
    return found.getvalue()
