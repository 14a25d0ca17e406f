"""What of a recipe learns: students, from which data and for how long, and how a teacher guides.

A student is layers that are declared here, or a graph beside the recipe; never code.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from registry.core.strict import Digest, Strict

Place: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Size: TypeAlias = Annotated[int, Field(ge=1, le=1 << 20)]
Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
_ENDINGS = {"torch": ".onnx", "keras": ".keras"}
Activation: TypeAlias = Literal["none", "relu", "gelu", "tanh"]


class Convolution(Strict):
    """Over (channels, height, width), with a bias, or with batch norm instead (`norm`).

    The edges are padded so that a stride of 1 keeps height and width.
    """

    channels: Size
    kernel: Literal[1, 3, 5, 7] = 3
    stride: Literal[1, 2] = 1
    norm: bool = False
    activation: Activation = "relu"


class Dense(Strict):
    """Over the last axis."""

    width: Size
    activation: Activation = "none"


class Pool(Strict):
    """Over squares of `size`, which do not overlap."""

    size: Annotated[int, Field(ge=2, le=16)] = 2


class Embedding(Strict):
    """Whole numbers below `words` to vectors; `places` adds one that is learnt for each place."""

    words: Size
    width: Size
    places: bool = False


class Encoder(Strict):
    """A transformer's block, norms first: attention of `heads`, then `hidden` wide, each added."""

    heads: Annotated[int, Field(ge=1, le=64)]
    hidden: Size


class Nothing(Strict):
    """There is nothing to set."""


class Layer(Strict):
    """Exactly one of these. `reshape` is of one sample; `globalAverage` is over all places."""

    reshape: Annotated[list[Size], Field(min_length=1, max_length=4)] | None = None
    conv: Convolution | None = None
    dense: Dense | None = None
    max_pool: Pool | None = None
    average_pool: Pool | None = None
    global_average: Nothing | None = None
    flatten: Nothing | None = None
    embedding: Embedding | None = None
    encoder: Encoder | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Layer":
        if len(self.model_dump(exclude_none=True)) != 1:
            raise wrong(
                "a layer is one of reshape, conv, dense, maxPool, averagePool, globalAverage, "
                "flatten, embedding, encoder",
                "write each as a layer of its own: - dense: {width: 32, activation: relu}",
            )
        return self


class Student(Strict):
    """`layers`, of which the last gives a score for each class, or the graph in `path`: an `.onnx`
    with weights to begin from (PyTorch), or a `.keras` (Keras)."""

    framework: Literal["torch", "keras"] = "torch"
    layers: Annotated[list[Layer], Field(min_length=1, max_length=128)] | None = None
    path: Place | None = None
    digest: Digest | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "Student":
        if (self.layers is None) == (self.path is None):
            raise wrong("a student is layers or a file", "write layers:, or path: student.onnx")
        ending = _ENDINGS[self.framework]
        if self.path is not None and not self.path.endswith(ending):
            raise wrong(
                f"a student of {self.framework} is a {ending} file",
                "export it as that: a checkpoint of PyTorch runs code as it is loaded",
            )
        if self.layers is not None and self.layers[-1].dense is None:
            raise wrong(
                "the last layer gives no scores", "end with - dense: {width: 10}, a row per class"
            )
        return self


class Learn(Strict):
    """Adam (Kingma and Ba 2015) with decoupled weight decay, its rate falling along a cosine to 0.

    Everything drawn is drawn from `seed`; what comes out depends on `threads` too.
    """

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch: Annotated[int, Field(ge=1, le=65_536)] = 128
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.001
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=1 << 31)] = 1
    threads: Annotated[int, Field(ge=1, le=256)] = 1


class Features(Strict):
    """Which tensors are brought close: an output of a node of the teacher, and of the student,
    where `layer_3` is the third that is declared."""

    teacher: Place
    student: Place


class Guidance(Strict):
    """What the teacher adds to the loss: alpha times the distance of the student from it.

    `kl` is the divergence of the softened answers times temperature² (Hinton et al. 2015);
    `features` the squared distance after a linear map that is learnt too (Romero et al. 2015).
    """

    alpha: Annotated[float, Field(gt=0, le=1000)] = 1.0
    distance: Literal["kl", "features"] = "kl"
    temperature: Annotated[float, Field(gt=0, le=100)] = 4.0
    features: Features | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Guidance":
        if (self.distance == "features") != (self.features is not None):
            raise wrong(
                "the distance of features, and no other, has features",
                "write features: {teacher: Relu_7, student: layer_3}, or distance: kl",
            )
        return self


class Distil(Guidance):
    """min L(student) + alpha D(student, teacher): the teacher is the model that the step gets."""

    student: Student
    learn: Learn


class Schedule(Strict):
    """How sparsity grows (Zhu and Gupta 2017): s(t) = s + (start - s)(1 - t/n)³ over the first
    `ramp` of all steps of learning; which weights go is decided anew `every` so many steps."""

    start: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ramp: Annotated[float, Field(gt=0, le=1)] = 0.6
    every: Annotated[int, Field(ge=1, le=100_000)] = 20


def wrong(message: str, fix: str) -> PydanticCustomError:
    """The refusal of a recipe that says what cannot be."""
    return PydanticCustomError("recipe", message, {"fix": fix})
