"""What scikit-learn's estimators become (domain ai.onnx.ml): scalers, linear models, trees.

Trees are walked all at once, one level at a time: the places of all samples in all trees are one
tensor, and a level is three gathers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from registry.making.exporting.operations.node import Node, Operation

_TRANSFORMS = {
    b"NONE": tf.identity,
    b"SOFTMAX": tf.nn.softmax,
    b"LOGISTIC": tf.sigmoid,
}


def _transformed(node: Node, scores: Any) -> Any:
    kind = node.get("post_transform", b"NONE")
    if kind not in _TRANSFORMS:
        node.refuse(f"scores that are transformed by {kind.decode()}")
    return _TRANSFORMS[kind](scores)


def _scaler(node: Node, x: Any) -> Any:
    offset, scale = (np.array(node.get(name), np.float32) for name in ("offset", "scale"))
    return (tf.cast(x, tf.float32) - offset) * scale


def _normalizer(node: Node, x: Any) -> Any:
    kind = node.get("norm", b"MAX")
    x = tf.cast(x, tf.float32)
    if kind == b"L2":
        return x / tf.maximum(tf.norm(x, axis=-1, keepdims=True), 1e-30)
    size = tf.reduce_sum(tf.abs(x), -1, keepdims=True) if kind == b"L1" else tf.reduce_max(
        tf.abs(x), -1, keepdims=True)  # fmt: skip
    return x / tf.maximum(size, 1e-30)


def _linear(node: Node, x: Any, outputs: int) -> Any:
    learnt = np.array(node.get("coefficients"), np.float32).reshape(outputs, -1).T.copy()
    found = tf.matmul(tf.cast(x, tf.float32), node.weight("coefficients", learnt))
    shift = node.get("intercepts")
    return found if shift is None else found + np.array(shift, np.float32)


def _linear_regressor(node: Node, x: Any) -> Any:
    return _transformed(node, _linear(node, x, node.get("targets", 1)))


def _linear_classifier(node: Node, x: Any) -> Any:
    labels = _labels(node, "classlabels_ints", "classlabels_strings")
    rows = len(node.get("intercepts") or []) or len(labels)
    scores = _linear(node, x, rows)
    if rows == 1 and len(labels) == 2:
        # One score tells of two classes.
        if node.get("post_transform", b"NONE") == b"NONE":
            chosen = tf.cast(scores[:, 0] > 0, tf.int64)
            return [tf.gather(labels, chosen), tf.concat([-scores, scores], 1)]
        second = tf.sigmoid(scores)
        return [
            tf.gather(labels, tf.cast(second[:, 0] > 0.5, tf.int64)),
            tf.concat([1.0 - second, second], 1),
        ]
    return [tf.gather(labels, tf.argmax(scores, -1)), _transformed(node, scores)]


def _labels(node: Node, numbers: str, words: str) -> Any:
    found = node.get(numbers)
    return np.array(found, np.int64) if found else np.array(node.get(words), object)


def _array_feature_extractor(node: Node, x: Any, places: Any) -> Any:
    return tf.gather(x, tf.reshape(places, [-1]), axis=-1)


def _trees(node: Node, x: Any, weights: tuple[Any, Any, Any, Any], width: int) -> Any:
    """The summed scores of all trees, `[samples, width]`.

    `weights` are tree, node, place of the output and value of each leaf's share.
    """
    trees = np.array(node.get("nodes_treeids"))
    ids = np.array(node.get("nodes_nodeids"))
    modes = node.get("nodes_modes")
    if not set(modes) <= {b"BRANCH_LEQ", b"BRANCH_LT", b"LEAF"} or {
        b"BRANCH_LEQ", b"BRANCH_LT"} <= set(modes):  # fmt: skip
        node.refuse("trees that compare in several ways")
    places = {pair: at for at, pair in enumerate(zip(trees.tolist(), ids.tolist(), strict=True))}
    leaf = np.array([mode == b"LEAF" for mode in modes])
    own = np.arange(len(modes))
    yes, no = (
        np.array(
            [
                at if leaf[at] else places[tree, following]
                for at, (tree, following) in enumerate(
                    zip(trees.tolist(), node.get(f"nodes_{way}nodeids"), strict=True)
                )
            ]
        )
        for way in ("true", "false")
    )
    shares = np.zeros((len(modes), width), np.float32)
    for tree, one, at, value in zip(*weights, strict=True):
        shares[places[tree, one], at] += value
    roots = np.array([own[trees == tree][ids[trees == tree].argmin()] for tree in np.unique(trees)])
    features = np.where(leaf, 0, np.array(node.get("nodes_featureids"))).astype(np.int32)
    limits = np.array(node.get("nodes_values"), np.float32)
    less = tf.less if b"BRANCH_LT" in modes else tf.less_equal
    x = tf.cast(x, tf.float32)
    at = tf.tile(roots[None, :].astype(np.int32), tf.stack([tf.shape(x)[0], 1]))
    for _ in range(_depth(yes, no, leaf, roots)):
        found = tf.gather(x, tf.gather(features, at), axis=1, batch_dims=1)
        goes = less(found, tf.gather(limits, at))
        at = tf.where(goes, tf.gather(yes.astype(np.int32), at), tf.gather(no.astype(np.int32), at))
    return tf.reduce_sum(tf.gather(node.weight("leaves", shares), at), axis=1)


def _depth(yes: Any, no: Any, leaf: Any, roots: Any) -> int:
    """How many levels there are below the roots."""
    level, depth = roots, 0
    while not leaf[level].all():
        inner = level[~leaf[level]]
        level, depth = np.unique(np.concatenate([yes[inner], no[inner]])), depth + 1
        if depth > len(leaf):
            return depth  # a circle: no tree, and the parity check will tell
    return depth


def _share(node: Node, side: str, base: Any, found: Any, count: int) -> Any:
    if node.get("aggregate_function", b"SUM") == b"AVERAGE":
        found /= float(len(set(node.get("nodes_treeids"))))
    return found if not base else found + np.array(base, np.float32)


def _tree_regressor(node: Node, x: Any) -> Any:
    width = node.get("n_targets", 1)
    weights = tuple(node.get(f"target_{name}") for name in ("treeids", "nodeids", "ids", "weights"))
    found = _trees(node, x, weights, width)
    return _transformed(node, _share(node, "target", node.get("base_values"), found, width))


def _tree_classifier(node: Node, x: Any) -> Any:
    labels = _labels(node, "classlabels_int64s", "classlabels_strings")
    places = node.get("class_ids")
    weights = (node.get("class_treeids"), node.get("class_nodeids"), places,
               node.get("class_weights"))  # fmt: skip
    binary = len(set(places)) == 1 and len(labels) == 2
    if binary:
        weights = (weights[0], weights[1], [0] * len(places), weights[3])
    width = 1 if binary else len(labels)
    found = _share(node, "class", node.get("base_values"), _trees(node, x, weights, width), width)
    if binary:
        kind = node.get("post_transform", b"NONE")
        second = tf.sigmoid(found) if kind == b"LOGISTIC" else found
        chosen = tf.cast(second[:, 0] > 0.5, tf.int64)
        return [tf.gather(labels, chosen), tf.concat([1.0 - second, second], 1)]
    return [tf.gather(labels, tf.argmax(found, -1)), _transformed(node, found)]


OPERATIONS: Mapping[str, Operation] = {
    "ArrayFeatureExtractor": _array_feature_extractor, "LinearClassifier": _linear_classifier,
    "LinearRegressor": _linear_regressor, "Normalizer": _normalizer, "Scaler": _scaler,
    "TreeEnsembleClassifier": _tree_classifier, "TreeEnsembleRegressor": _tree_regressor,
}  # fmt: skip
