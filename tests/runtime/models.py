"""Real models, trained once a test session: an ONNX one here, SavedModels in a child process.

The child is there because a test process should not import TensorFlow when it only serves.
"""

import functools
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from registry.core import canonical
from registry.core.tensors import Signature, Tensor

_SAVED_MODELS = """
import sys
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32")

class Classifier(tf.Module):
    def __init__(self):
        self.weights = tf.Variable(tf.zeros([64, 10]))
        self.bias = tf.Variable(tf.zeros([10]))

    @tf.function(input_signature=[tf.TensorSpec([None, 64], tf.float32, name="pixels")])
    def serve(self, pixels):
        scores = tf.nn.softmax(pixels @ self.weights + self.bias)
        return {"label": tf.argmax(scores, 1), "probabilities": scores}

class Words(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def serve(self, word):
        return {"same": word, "more_bytes": word + b"\\xff\\x00"}

class Halves(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.bfloat16, name="x")])
    def serve(self, x):
        return {"y": x}

class Texts(tf.Module):
    # Words of a vocabulary file, ragged; and a second signature.
    def __init__(self):
        self.file = tf.saved_model.Asset(sys.argv[5])
        self.table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(
            self.file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), -1)

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.string, 1, tf.int64)])
    def serve(self, words):
        found = tf.ragged.map_flat_values(self.table.lookup, words)
        return {"ids": found.to_tensor(-2), "counts": words.row_lengths()}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def one(self, word):
        return {"id": self.table.lookup(word)}

class Network(tf.Module):
    # Pictures through two convolutions, one of them in a loop, with a whole number that scales.
    def __init__(self):
        drawn = tf.random.stateless_normal
        self.first = tf.Variable(drawn([3, 3, 1, 4], [1, 7]) / 3)
        self.again = tf.Variable(drawn([3, 3, 4, 4], [2, 7]) / 6)
        self.last = tf.Variable(drawn([3, 3, 4, 6], [3, 7]) / 6)
        self.head = tf.Variable(drawn([96, 10], [4, 7]) / 3)

    @tf.function(input_signature=[
        tf.TensorSpec([None, 8, 8, 1], tf.float32, name="picture"),
        tf.TensorSpec([None, 1], tf.int64, name="scale")])
    def serve(self, picture, scale):
        found = tf.nn.conv2d(picture, self.first, 1, "SAME")
        _, found = tf.while_loop(
            lambda turn, _: turn < 2,
            lambda turn, one: (turn + 1, tf.tanh(tf.nn.conv2d(one, self.again, 1, "SAME"))),
            (tf.constant(0), found))
        found = tf.nn.avg_pool2d(found, 2, 2, "SAME")
        found = tf.nn.relu(tf.nn.conv2d(found, self.last, 1, "SAME", name="late"))
        scores = tf.reshape(found, [-1, 96]) @ self.head * tf.cast(scale, tf.float32)
        return {"scores": tf.nn.softmax(scores), "best": tf.argmax(scores, 1)}

def half_plus_two(folder):
    # As TensorFlow Serving's own test model: one graph, asked with numbers or with Examples.
    v1 = tf.compat.v1
    describe, define = v1.saved_model.build_tensor_info, v1.saved_model.build_signature_def
    with v1.Graph().as_default(), v1.Session() as session:
        a, b = v1.get_variable("a", initializer=0.5), v1.get_variable("b", initializer=2.0)
        packed = v1.placeholder(tf.string, [None], name="tf_example")
        features = {
            "x": v1.io.FixedLenFeature([1], tf.float32),
            "name": v1.io.FixedLenFeature([1], tf.string, default_value=["nameless"]),
        }
        parsed = v1.io.parse_example(packed, features)
        x = tf.identity(parsed["x"], name="x")
        y = tf.add(a * x, b, name="y")
        session.run(v1.global_variables_initializer())
        given, score = {"inputs": describe(packed)}, describe(y)
        regress = define(given, {"outputs": score}, "tensorflow/serving/regress")
        classes = {"classes": describe(parsed["name"]), "scores": score}
        signatures = {
            "serving_default": define(
                {"x": describe(x)}, {"y": score}, "tensorflow/serving/predict"),
            "classify_x_to_y": define(given, {"scores": score}, "tensorflow/serving/classify"),
            "named": define(given, classes, "tensorflow/serving/classify"),
            "regress_x_to_y": regress,
            "tensorflow/serving/regress": regress,
        }
        builder = v1.saved_model.Builder(folder)
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()

model = Classifier()
for _ in range(150):
    with tf.GradientTape() as tape:
        logits = tf.constant(images) @ model.weights + model.bias
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        )
    for variable, gradient in zip(
        (model.weights, model.bias), tape.gradient(loss, (model.weights, model.bias))
    ):
        variable.assign_sub(2.0 * gradient)
tf.saved_model.save(model, sys.argv[1], signatures={"serving_default": model.serve})
words = Words()
tf.saved_model.save(words, sys.argv[2], signatures={"serving_default": words.serve})
halves = Halves()
tf.saved_model.save(halves, sys.argv[3], signatures={"serving_default": halves.serve})
texts = Texts()
tf.saved_model.save(
    texts, sys.argv[4], signatures={"serving_default": texts.serve, "one": texts.one}
)
half_plus_two(sys.argv[6])
network = Network()
tf.saved_model.save(network, sys.argv[7], signatures={"serving_default": network.serve})
"""


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    images, labels = load_digits(return_X_y=True)
    return (images / 16).astype(np.float32), labels


@functools.cache
def onnx_digits(*, shuffled: bool = False) -> dict[str, bytes]:
    """A logistic regression; `shuffled` is trained on nonsense."""
    images, labels = digits()
    if shuffled:
        labels = np.random.default_rng(7).permutation(labels)
    trained = LogisticRegression(max_iter=200).fit(images, labels)
    exported = to_onnx(trained, images[:1], options={"zipmap": False}, target_opset=18)
    return {"model.onnx": exported.SerializeToString()}


def saved_models() -> tuple[dict[str, bytes], ...]:
    """The digits classifier, a model of strings, one of bfloat16, one with a vocabulary, and
    TensorFlow Serving's half_plus_two."""
    return _saved()[:-1]


def saved_network() -> dict[str, bytes]:
    """A convolutional network of drawn weights, with a loop and an input of whole numbers."""
    return _saved()[-1]


@functools.cache
def _saved() -> tuple[dict[str, bytes], ...]:
    names = ("digits", "words", "halves", "texts", "half", "network")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in names]
        vocabulary = Path(folder, "vocabulary.txt")
        vocabulary.write_text("ship\nline\n")
        subprocess.run(
            [sys.executable, "-c", _SAVED_MODELS, *map(str, (*paths[:4], vocabulary, *paths[4:]))],
            check=True,
            capture_output=True,
        )
        return tuple(map(_files, paths))


@functools.cache
def torch_script() -> dict[str, bytes]:
    """The same logistic regression as a TorchScript program, with what its publisher says."""
    import torch

    images, labels = digits()
    trained = LogisticRegression(max_iter=200).fit(images, labels)

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(64, 10)

        def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
            scores = torch.softmax(self.layer(pixels), 1)
            return {"label": scores.argmax(1), "probabilities": scores}

    made = Classifier()
    with torch.no_grad():
        made.layer.weight.copy_(torch.tensor(trained.coef_))
        made.layer.bias.copy_(torch.tensor(trained.intercept_))
    with tempfile.TemporaryDirectory() as folder:
        torch.jit.script(made.eval()).save(f"{folder}/model.pt")
        program = Path(folder, "model.pt").read_bytes()
    said = Signature(
        (Tensor("pixels", "float32", (None, 64)),),
        (Tensor("label", "int64", (None,)), Tensor("probabilities", "float32", (None, 10))),
    )
    return {"model.pt": program, "tensors.json": canonical.encode(said.document())}


def torch_network() -> Any:
    """Pictures of 8 by 8 to ten classes through two convolutions, of weights that were drawn."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = torch.nn.Sequential(
                torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.Tanh(),
                torch.nn.MaxPool2d(2), torch.nn.Conv2d(4, 6, 3, padding=1), torch.nn.ReLU(),
            )  # fmt: skip
            self.head = torch.nn.Linear(96, 10)

        def forward(self, picture: torch.Tensor, scale: torch.Tensor) -> dict[str, torch.Tensor]:
            scores = self.head(self.features(picture).flatten(1)) * scale.to(torch.float32)
            return {"scores": torch.softmax(scores, 1), "rounded": scores.round().long()}

    torch.manual_seed(7)
    return Network().eval()


@functools.cache
def torch_convolutional() -> dict[str, bytes]:
    """`torch_network` as a TorchScript program."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        torch.jit.script(torch_network()).save(f"{folder}/model.pt")
        program = Path(folder, "model.pt").read_bytes()
    said = Signature(
        (Tensor("picture", "float32", (None, 1, 8, 8)), Tensor("scale", "int64", (None, 1))),
        (Tensor("scores", "float32", (None, 10)), Tensor("rounded", "int64", (None, 10))),
    )
    return {"model.pt": program, "tensors.json": canonical.encode(said.document())}


@functools.cache
def torch_half_plus_two() -> dict[str, bytes]:
    """The same as `onnx_half_plus_two`."""
    import torch

    class Half(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"scores": x * 0.5 + 2.0}

    with tempfile.TemporaryDirectory() as folder:
        torch.jit.script(Half().eval()).save(f"{folder}/model.pt")
        program = Path(folder, "model.pt").read_bytes()
    column = (None, 1)
    said = Signature((Tensor("x", "float32", column),), (Tensor("scores", "float32", column),))
    return {"model.pt": program, "tensors.json": canonical.encode(said.document())}


def onnx_identity(dtype: int, *, shape: tuple[int | str, ...] = ("n", "m")) -> dict[str, bytes]:
    """Gives back what it gets, in any of ONNX's types: for the ways in and out of JSON."""
    return onnx_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        inputs={"x": (dtype, shape)},
        outputs={"y": (dtype, shape)},
    )


def onnx_two_inputs() -> dict[str, bytes]:
    """Sum and difference of two named vectors."""
    vector = (TensorProto.FLOAT, ("n",))
    return onnx_graph(
        [
            helper.make_node("Add", ["a", "b"], ["sum"]),
            helper.make_node("Sub", ["a", "b"], ["less"]),
        ],
        inputs={"a": vector, "b": vector},
        outputs={"sum": vector, "less": vector},
    )


def onnx_half_plus_two() -> dict[str, bytes]:
    """TensorFlow Serving's model: a column in, half of it and two out."""
    column = (TensorProto.FLOAT, ("n", 1))
    return onnx_graph(
        [
            helper.make_node("Mul", ["x", "half"], ["z"]),
            helper.make_node("Add", ["z", "two"], ["scores"]),
        ],
        inputs={"x": column},
        outputs={"scores": column},
        constants={"half": np.array(0.5, np.float32), "two": np.array(2, np.float32)},
    )


def onnx_slow(loops: int) -> dict[str, bytes]:
    """Multiplies matrices `loops` times over: one inference takes as long as is asked for."""
    shape = (TensorProto.FLOAT, ("n", 256))
    body = onnx.helper.make_graph(
        [
            helper.make_node("Identity", ["keep_in"], ["keep_out"]),
            helper.make_node("MatMul", ["value_in", "weights"], ["value_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("keep_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value_in", *shape),
        ],
        [
            helper.make_tensor_value_info("keep_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value_out", *shape),
        ],
    )
    weights = np.eye(256, dtype=np.float32)
    return onnx_graph(
        [helper.make_node("Loop", ["loops", "", "x"], ["y"], body=body)],
        inputs={"x": shape},
        outputs={"y": shape},
        constants={"weights": weights, "loops": np.array(loops, dtype=np.int64)},
    )


def onnx_endless() -> dict[str, bytes]:
    """One step that cannot be left: for a row it is done at once, for many it takes minutes, as it
    compares a thousand boxes a row with each other."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    boxes = ["line", "line", "ends", "ends"]
    return onnx_graph(
        [
            helper.make_node("Shape", ["x"], ["rows"], start=0, end=1),
            helper.make_node("Mul", ["rows", "thousand"], ["counts"]),
            helper.make_node("Squeeze", ["counts"], ["count"]),
            helper.make_node("Range", ["zero", "count", "step"], ["starts"]),
            helper.make_node("Cast", ["starts"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["floats", "behind"], ["line"]),
            helper.make_node("Add", ["line", "half"], ["ends"]),
            helper.make_node("Concat", boxes, ["flat"], axis=1),
            helper.make_node("Unsqueeze", ["flat", "before"], ["boxes"]),
            helper.make_node("Concat", ["ones", "counts"], ["places"], axis=0),
            helper.make_node("ConstantOfShape", ["places"], ["scores"], value=one),
            helper.make_node("NonMaxSuppression", ["boxes", "scores", "count", "half"], ["kept"]),
            helper.make_node("Shape", ["kept"], ["found"], start=0, end=1),
            helper.make_node("Cast", ["found"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["x", "number"], ["y"]),
        ],
        inputs={"x": (TensorProto.FLOAT, ("n", 256))},
        outputs={"y": (TensorProto.FLOAT, ("n", 256))},
        constants={
            "thousand": np.array([1000]), "zero": np.array(0), "step": np.array(1),
            "behind": np.array([1]), "before": np.array([0]), "ones": np.array([1, 1]),
            "half": np.array([0.5], dtype=np.float32),
        },
    )  # fmt: skip


def onnx_greedy() -> dict[str, bytes]:
    """Fills as many numbers as a request says with ones, and counts them."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    return onnx_graph(
        [
            helper.make_node("ReduceMax", ["size"], ["most"], keepdims=0),
            helper.make_node("Reshape", ["most", "line"], ["shape"]),
            helper.make_node("ConstantOfShape", ["shape"], ["many"], value=one),
            helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0),
            helper.make_node("Shape", ["size"], ["rows"]),
            helper.make_node("Expand", ["sum", "rows"], ["counted"]),
        ],
        inputs={"size": (TensorProto.INT64, ("n", 1))},
        outputs={"counted": (TensorProto.FLOAT, ("n", 1))},
        constants={"line": np.array([1], dtype=np.int64)},
    )


def onnx_graph(
    nodes: list[onnx.NodeProto],
    *,
    inputs: dict[str, tuple[int, tuple[int | str, ...]]],
    outputs: dict[str, tuple[int, tuple[int | str, ...]]],
    constants: dict[str, np.ndarray] | None = None,
) -> dict[str, bytes]:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
        [onnx.numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return {"model.onnx": model.SerializeToString()}


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
