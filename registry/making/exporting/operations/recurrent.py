"""LSTM and GRU, as the standard has them: gates in its order, one direction or both."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from registry.making.exporting.operations.node import Node, Operation

# A loop over a known number of steps is written out: what has no loops can then run it too.
_WRITTEN_OUT = 64
Step = Callable[[Any, Any], Any]


def _require_plain(node: Node, lengths: Any) -> None:
    if lengths is not None or node.get("layout", 0) or node.get("activations") or node.get("clip"):
        node.refuse("sequences of several lengths, or other activations than the usual")


def _lstm(  # noqa: PLR0913, PLR0917  the inputs of the operation
    node: Node, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None,
    h: Any = None, c: Any = None, peepholes: Any = None,
) -> Any:  # fmt: skip
    """Gates are in the order input, output, forget, cell."""
    _require_plain(node, lengths)
    if peepholes is not None:
        node.refuse("peepholes")

    def stepping(at: int) -> Step:
        width, back, shift = _learnt(node, at, w, r, b)

        def step(state: Any, one: Any) -> Any:
            hidden, cell = state
            gates = tf.matmul(one, width) + tf.matmul(hidden, back) + shift
            i, o, f, g = tf.split(gates, 4, axis=-1)
            cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
            return tf.sigmoid(o) * tf.tanh(cell), cell

        return step

    return _both(node, x, stepping, [h, c])


def _gru(  # noqa: PLR0913, PLR0917  the inputs of the operation
    node: Node, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, h: Any = None
) -> Any:
    """Gates are in the order update, reset, hidden."""
    _require_plain(node, lengths)
    size = node.get("hidden_size")
    after = bool(node.get("linear_before_reset", 0))

    def stepping(at: int) -> Step:
        width, back, _ = _learnt(node, at, w, r, None)
        shift = np.zeros(6 * size, np.float32) if b is None else b[at]
        ours, theirs = shift[: 3 * size], shift[3 * size :]

        def step(state: Any, one: Any) -> Any:
            (hidden,) = state
            given = tf.matmul(one, width) + ours
            if after:
                before = tf.matmul(hidden, back) + theirs
                z, reset = (
                    tf.sigmoid(given[:, at : at + size] + before[:, at : at + size])
                    for at in (0, size)
                )
                fresh = tf.tanh(given[:, 2 * size :] + reset * before[:, 2 * size :])
            else:
                before = tf.matmul(hidden, back[:, : 2 * size]) + theirs[: 2 * size]
                z, reset = (
                    tf.sigmoid(given[:, at : at + size] + before[:, at : at + size])
                    for at in (0, size)
                )
                fresh = tf.tanh(
                    given[:, 2 * size :]
                    + tf.matmul(reset * hidden, back[:, 2 * size :])
                    + theirs[2 * size :]
                )
            return ((1.0 - z) * fresh + z * hidden,)

        return step

    return _both(node, x, stepping, [h])


def _learnt(node: Node, at: int, w: Any, r: Any, b: Any) -> tuple[Any, Any, Any]:
    if not (isinstance(w, np.ndarray) and isinstance(r, np.ndarray)):
        node.refuse("weights that are computed while the model runs")
    shift: Any = 0.0
    if b is not None:
        half = b.shape[-1] // 2
        shift = b[at, :half] + b[at, half:]
    return (
        node.weight(f"input{at}", w[at].T.copy()),
        node.weight(f"recurrent{at}", r[at].T.copy()),
        shift,
    )


def _both(node: Node, x: Any, stepping: Callable[[int], Step], starts: list[Any]) -> list[Any]:
    """Y `[steps, directions, samples, size]`, and the last state of each kind."""
    size, kind = node.get("hidden_size"), node.get("direction", b"forward")
    turns = {b"forward": [False], b"reverse": [True], b"bidirectional": [False, True]}[kind]
    sequences, ends = [], []
    for at, backwards in enumerate(turns):
        zero = tf.zeros(tf.stack([tf.shape(x)[1], size]), tf.float32)
        state = tuple(zero if one is None else one[at] for one in starts)
        over = tf.reverse(x, [0]) if backwards else x
        sequence, state = _over(over, stepping(at), state)
        sequences.append(tf.reverse(sequence, [0]) if backwards else sequence)
        ends.append(state)
    return [
        tf.stack(sequences, axis=1),
        *(tf.stack([end[at] for end in ends], axis=0) for at in range(len(starts))),
    ]


def _over(x: Any, step: Step, state: Any) -> tuple[Any, Any]:
    """All hidden states and the last state, over the first axis of `x`."""
    steps = x.shape[0]
    if steps is not None and steps <= _WRITTEN_OUT:
        found = []
        for at in range(steps):
            state = step(state, x[at])
            found.append(state[0])
        return tf.stack(found), state
    states = tf.scan(step, x, initializer=state)
    return states[0], tuple(one[-1] for one in states)


TURN_WEIGHTS = frozenset({"GRU", "LSTM"})
OPERATIONS: Mapping[str, Operation] = {"GRU": _gru, "LSTM": _lstm}
