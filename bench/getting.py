"""How long it takes to get a version's document, against MLflow's."""

import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count

from bench import figures, population, repeating
from bench.figures import Row
from bench.sides import MLFLOW, OURS, Side

_AREA = "registry"
_ROUNDS = 5
_CALLS = 40
# Coprime to the number of models: each call asks for another one.
_STRIDE = 389


def rows(name: str, size: int, sides: Mapping[str, Side]) -> Iterator[Row]:
    """One client on a kept-alive connection, each time another of `size` versions.

    Grows with the depth of an index, and with what is said of the version.
    """
    contenders = {key: _batches(side.get, size) for key, side in sides.items()}
    for contender in contenders.values():
        contender()
    turns = repeating.in_turns(contenders, repetitions=_ROUNDS)
    is_compared = MLFLOW in sides
    yield Row(
        _AREA,
        f"{name}: get one of {size} versions, p50",
        turns.seconds(OURS) * 1e3,
        "ms",
        f"MLflow: {turns.seconds(MLFLOW) * 1e3:.1f} ms" if is_compared else "",
        ratio=turns.speed_ratio(OURS, MLFLOW) if is_compared else None,
        bar=figures.under(3),
    )


def _batches(get: Callable[[str, int], None], size: int) -> Callable[[], float]:
    """The median seconds of the next calls."""
    turns = count()

    def one() -> float:
        number = next(turns) * _STRIDE % size
        model, version = population.name(number % population.MODELS), number // population.MODELS
        return repeating.seconds(partial(get, model, version + 1))

    return lambda: statistics.median(one() for _ in range(_CALLS))
