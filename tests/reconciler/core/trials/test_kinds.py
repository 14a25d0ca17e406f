"""What a template asks beyond metrics, as its file says it."""

from typing import Any

from reconciler.core.kinds import trials
from reconciler.core.kinds.trials import Trials

ALL: dict[str, Any] = {
    "latency": {"p95Milliseconds": 50},
    "memory": {"peak": "400Mi"},
    "tensorSchema": {"inputs": [{"name": "x", "dtype": "float32", "shape": [None, 64]}]},
    "parity": {"with": "serving"},
    "robustness": {
        "range": [0, 1],
        "noise": [{"kind": "gaussian", "strength": 0.1, "accuracy": 0.9}],
    },
    "container": {"image": "team/checks:3", "parameters": {"least": 0.9, "strict": True}},
}


def test_what_is_asked_is_run_from_the_cheapest_to_a_strangers_test() -> None:
    asked = Trials.model_validate(ALL)
    assert [type(check) for check in asked.checks] == [
        trials.TensorSchema,
        trials.Latency,
        trials.Parity,
        trials.Robustness,
        trials.Container,
        trials.MemoryBudget,
    ]
    assert asked.unasked == frozenset()


def test_what_is_left_out_is_neither_run_nor_part_of_a_revision() -> None:
    """So that an upgrade, which brings new checks, begins no rollout."""
    assert Trials().checks == ()
    assert Trials().unasked == ALL.keys()
    assert Trials.model_validate({"memory": ALL["memory"]}).unasked == ALL.keys() - {"memory"}
