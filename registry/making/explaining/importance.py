"""How much each feature counts over all samples: by shuffling it, or by its mean Shapley value."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from registry.core.explaining import scores as scoring
from registry.core.explaining.features import Layout
from registry.core.explaining.kernel_shap import KernelShap
from registry.core.explaining.permutation import Permutation
from registry.core.explaining.terms import Array
from registry.errors import InvalidInput
from registry.making.explaining.asking import Asked, IsOver, Subject, at_once, drive

MOST_SHAPLEY = 256
_REPEATS = 5
_EXPLAINED, _DONORS = 32, 8


@dataclass(frozen=True, slots=True)
class Importance:
    """`values` and `errors` have one number a feature, NaN where the time was over first; it is
    about so many `samples`."""

    values: Array
    errors: Array
    unit: str
    samples: int
    finished: bool


def permutation(
    asked: Asked, layout: Layout, inputs: Mapping[str, Array], labels: Array | None,
    seed: int, is_over: IsOver,
) -> Importance:  # fmt: skip
    """Breiman's, of all samples: the rise of the error rate, or without labels how far the score
    moves."""
    own = asked.scores(inputs)
    loss, _ = scoring.loss(own, labels, None)
    unit = "distance of the score"
    if labels is not None:
        unit = "rise of the error rate" if own.shape[1] > 1 else "rise of the squared error"
    method = Permutation(len(own), layout.count, _REPEATS, loss, np.random.default_rng(seed))
    # What is shuffled comes from other samples.
    whole = Subject(asked, layout, inputs, inputs).whole
    is_whole = drive(method, whole, is_over, at_once(inputs))
    found = method.found()
    if found is None:
        raise InvalidInput(
            "the time was over before one feature was shuffled",
            fix="give it more time with --budget, or fewer samples",
        )
    return Importance(found.values, found.errors, unit, len(own), is_whole)


def shapley(
    asked: Asked, layout: Layout, inputs: Mapping[str, Array], seed: int, is_over: IsOver
) -> Importance:
    """The mean size of the Shapley values of some samples, each of its own highest score, against
    other samples as the baseline (Lundberg and Lee 2017, section 5); errors are of that mean."""
    if layout.count > MOST_SHAPLEY:
        raise InvalidInput(
            f"{layout.count} features are too many for Shapley values, at most {MOST_SHAPLEY} are",
            fix="use --method permutation",
        )
    random = np.random.default_rng(seed)
    order = random.permutation(len(next(iter(inputs.values()))))
    some, donors = order[:_EXPLAINED], order[::-1][:_DONORS]
    subject = Subject(
        asked, layout,
        {name: one[some] for name, one in inputs.items()},
        {name: one[donors] for name, one in inputs.items()},
    )  # fmt: skip
    columns = scoring.targets(asked.scores(subject.instances), None)
    sizes, is_whole = _sizes(subject, columns, random, is_over)
    errors = np.full(layout.count, np.nan)
    if len(sizes) > 1:
        errors = sizes.std(axis=0, ddof=1) / np.sqrt(len(sizes))
    return Importance(
        sizes.mean(axis=0), errors, "mean size of the Shapley value", len(sizes), is_whole
    )


def _sizes(
    subject: Subject, columns: Array, random: np.random.Generator, is_over: IsOver
) -> tuple[Array, bool]:
    """(instances, features), and whether the time was enough for all of them."""
    count = subject.layout.count
    found, is_whole = [], True
    for instance, column in enumerate(columns):
        method = KernelShap(count, max(4 * count, 512), random)
        ask, most = subject.of(instance, int(column))
        is_whole = drive(method, ask, is_over, most) and is_whole
        said = method.found()
        if said is not None:
            found.append(np.abs(said.values))
        if is_over():
            is_whole = is_whole and instance == len(columns) - 1
            break
    if not found:
        raise InvalidInput(
            "the time was over before one sample was explained", fix="give it more with --budget"
        )
    return np.array(found), is_whole
