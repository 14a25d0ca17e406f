"""OptimisationRecipe: steps from one version to a smaller, faster one, and what they may cost.

A recipe lies beside its model. `steps` are always done; each choice of `search` adds one of its
steps, or none, and all combinations are made, measured and compared.
"""

import math
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from registry.core.recipes.learning import Distil, Guidance, Learn, Place, Schedule, Share, wrong
from registry.core.strict import Digest, Duration, Memory, Metadata, ModelName, Strict

MOST_CANDIDATES = 64
_LACKS = {
    "calibration": "a step looks at samples, and there are none",
    "training": "a step learns, and there is nothing to learn from",
}
Globs: TypeAlias = Annotated[list[Annotated[str, StringConstraints(min_length=1)]], Field()]


class Source(Strict):
    """The model to begin with: a file or folder beside the recipe, or a version of the registry."""

    path: Place | None = None
    name: ModelName | None = None
    version: Annotated[int, Field(ge=1)] | None = None
    digest: Digest | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "Source":
        version = (self.name, self.version, self.digest)
        if (self.path is None) == (version == (None, None, None)):
            raise wrong("name a file or a version", "write path: model.onnx, or name: digits")
        if self.path is None and None in version:
            raise wrong(
                "a version has a name, a number and a digest",
                "write all three, as `plimsoll model show` prints them",
            )
        return self


class Samples(Strict):
    """An npz file beside the recipe: an array for each input under its name, samples first.

    `label` is the array of right answers, classes from 0 on.
    """

    path: Place
    digest: Digest | None = None
    label: str = "label"


class Unlabelled(Strict):
    """An npz file beside the recipe: an array for each input; others in it are not looked at."""

    path: Place
    digest: Digest | None = None


class Data(Strict):
    """`golden` is only measured with; `calibration` and `training` must be other samples."""

    golden: Samples
    calibration: Unlabelled | None = None
    training: Samples | None = None


class Graph(Strict):
    """onnxruntime's own rewriting: constants folded, operators fused.

    Its highest level depends on the machine it ran on, so no file may hold it.
    """

    level: Literal["basic", "extended"] = "extended"


class Prune(Strict):
    """Weights to 0: the smallest by `magnitude`, or all but the `n` largest of each `m`; or whole
    `channels` taken out; or by `l0`: min L(w) + penalty · ‖w‖₀, a share of the gates' number.

    With `learn` the network learns again, with what is gone staying gone.
    """

    method: Literal["magnitude", "nm", "channels", "l0"]
    sparsity: Share | None = None
    scope: Literal["layer", "global"] = "layer"
    n: Annotated[int, Field(ge=1, le=16)] | None = None
    m: Annotated[int, Field(ge=2, le=32)] | None = None
    penalty: Annotated[float, Field(gt=0, le=1000)] | None = None
    gates: Literal["channels", "weights"] | None = None
    exclude: Globs = Field(default_factory=list)
    learn: Learn | None = None
    schedule: Schedule | None = None
    guidance: Guidance | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Prune":
        if (self.method in {"magnitude", "channels"}) != (self.sparsity is not None):
            raise wrong("magnitude and channels, and nothing else, have a sparsity",
                        "write sparsity: 0.5")  # fmt: skip
        if self.method == "nm" and (self.m is None or self.n is None or self.n >= self.m):
            raise wrong("nm keeps n of each m weights", "write n: 2 and m: 4")
        if (self.method == "l0") != (self.penalty is not None and self.gates is not None):
            raise wrong("l0, and nothing else, has a penalty and gates",
                        "write penalty: 0.1 and gates: channels")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _learns(self) -> "Prune":
        if self.method == "l0" and self.learn is None:
            raise wrong("gates are learnt", "write learn: {epochs: 10}")
        if self.learn is None and (self.schedule is not None or self.guidance is not None):
            raise wrong("a schedule and guidance are of learning", "write learn: {epochs: 10}")
        if self.schedule is not None and self.method != "magnitude":
            raise wrong("a schedule is of magnitude", "leave out schedule:")
        return self


class Sensitivity(Strict):
    """Which layers to leave as they are: one after the other, the most fragile first, until at
    most `maxChanged` of the answers to the calibration data differ from the model's before."""

    max_changed: Annotated[float, Field(ge=0, lt=1)]
    most_layers: Annotated[int, Field(ge=1, le=64)] = 8


class Quantise(Strict):
    """w_q = round(w / scale), by onnxruntime: `dynamic` and `static` to int8, weights alone to
    `int4`, or `float16`."""

    mode: Literal["dynamic", "static", "float16", "int4"]
    per_channel: bool = True
    calibration: Literal["minMax", "entropy", "percentile"] = "minMax"
    block: Literal[16, 32, 64, 128] = 32
    operators: Annotated[list[str], Field(min_length=1)] | None = None
    exclude: Globs = Field(default_factory=list)
    sensitivity: Sensitivity | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Quantise":
        if self.sensitivity is not None and self.mode not in {"dynamic", "static"}:
            raise wrong("sensitivity is of dynamic and static", "leave it out, or exclude layers")
        return self


class Step(Strict):
    """Exactly one of these."""

    graph: Graph | None = None
    prune: Prune | None = None
    quantise: Quantise | None = None
    distil: Distil | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Step":
        if len([one for one in self.parts if one is not None]) != 1:
            raise wrong(
                "a step is one of graph, prune, quantise, distil",
                "write each as a step of its own: - quantise: {mode: dynamic}",
            )
        return self

    @property
    def parts(self) -> tuple[Graph | None, Prune | None, Quantise | None, Distil | None]:
        """All of which one is set."""
        return self.graph, self.prune, self.quantise, self.distil

    @property
    def part(self) -> Graph | Prune | Quantise | Distil:
        """The one that is set."""
        return next(one for one in self.parts if one is not None)

    @property
    def reads(self) -> tuple[Literal["calibration", "training"], ...]:
        """The data that it looks at."""
        part = self.part
        if isinstance(part, Quantise) and (part.mode == "static" or part.sensitivity is not None):
            return ("calibration",)
        learns = isinstance(part, Distil) or (isinstance(part, Prune) and part.learn is not None)
        return ("training",) if learns else ()


class Choice(Strict):
    """One of these steps, or none of them where `optional`."""

    one_of: Annotated[list[Step], Field(min_length=1, max_length=16)]
    optional: bool = True


class Constraints(Strict):
    """What a result may cost, against the model before. With `confidence` the end of the interval
    of the accuracy lost must hold, not its middle."""

    max_accuracy_loss: Annotated[float, Field(ge=0, lt=1)] | None = None
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = None
    max_latency_ratio: Annotated[float, Field(gt=0)] | None = None
    max_latency_milliseconds: Annotated[float, Field(gt=0)] | None = None
    max_size_ratio: Annotated[float, Field(gt=0)] | None = None
    max_size: Memory | None = None


class Measure(Strict):
    """How latency is timed: in turns with the model before, `requests` of `batch` samples each."""

    batch: Annotated[int, Field(ge=1, le=4096)] = 1
    requests: Annotated[int, Field(ge=20, le=100_000)] = 400
    threads: Annotated[int, Field(ge=1, le=256)] = 1


class Limits(Strict):
    """What one step or measurement may take in its process."""

    memory: Memory = "8Gi"
    duration: Duration = "1h"


class RecipeSpec(Strict):
    """`output` names the tensor with the answer; it may be left out where there is one."""

    model: Source
    output: str | None = None
    data: Data
    steps: Annotated[list[Step], Field(max_length=16)] = Field(default_factory=list)
    search: Annotated[list[Choice], Field(max_length=8)] = Field(default_factory=list)
    constraints: Constraints = Constraints()
    prefer: Literal["size", "latency", "accuracy"] = "size"
    measure: Measure = Measure()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _can_be_done(self) -> "RecipeSpec":
        steps = [*self.steps, *(step for choice in self.search for step in choice.one_of)]
        if not steps:
            raise wrong("there is nothing to do", "write steps: or search:")
        count = math.prod(len(one.one_of) + one.optional for one in self.search)
        if count > MOST_CANDIDATES:
            raise wrong(
                f"the search has {count} combinations, at most {MOST_CANDIDATES} are made",
                "leave some out",
            )
        for step in steps:
            self._require_data(step)
        return self

    def _require_data(self, step: Step) -> None:
        for name in step.reads:
            if getattr(self.data, name) is None:
                raise wrong(_LACKS[name], f"add data.{name}")


class OptimisationRecipe(Strict):
    """How one model is optimised, and what that may cost."""

    folder: ClassVar[str] = ""
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["OptimisationRecipe"]
    metadata: Metadata
    spec: RecipeSpec
