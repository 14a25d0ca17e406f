"""Run as a script: real SavedModels, written by the real TensorFlow, into the folder argv[1]."""

import sys
from pathlib import Path

import keras
import tensorflow as tf

OUT = Path(sys.argv[1])


class Table(tf.Module):
    def __init__(self):
        pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64))
        self.table = tf.lookup.StaticHashTable(pairs, -1)
        self.weights = tf.Variable(tf.ones([4, 3]))

    @tf.function(
        input_signature=[tf.TensorSpec([None, 4], name="x"), tf.TensorSpec([2], tf.string)]
    )
    def serve(self, x, key):
        step = tf.constant(0)
        while step < 3:
            x, step = x + 1.0, step + 1
        return {"y": tf.matmul(x, self.weights), "id": self.table.lookup(key)}


class Vocabulary(tf.Module):
    def __init__(self, path):
        lines = tf.lookup.TextFileInitializer(
            path,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticHashTable(lines, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, key):
        return {"id": self.table.lookup(key)}


class Reader(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 4])])
    def serve(self, x):
        return {"y": x, "stolen": tf.io.read_file("/etc/hostname")}


class Writer(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 4])])
    def serve(self, x):
        tf.print("planted", output_stream="file:///tmp/planted")
        return {"y": x}


class Wrapper(tf.Module):
    """Honest at its door; what it does is two calls and a branch further in."""

    @tf.function
    def _inner(self, x):
        files = tf.io.matching_files("/etc/*")
        return x + tf.cast(tf.size(files), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, 4])])
    def serve(self, x):
        return {"y": tf.cond(tf.reduce_sum(x) > 0, lambda: self._inner(x), lambda: x)}


def layers():
    image = keras.Input((28, 28, 1), name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, activation="gelu")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.SeparableConv2D(4, 3, activation="swish")(x)
    x = keras.layers.Reshape((-1, 4))(x)
    x = keras.layers.LSTM(4, return_sequences=True)(x)
    x = keras.layers.GRU(4, return_sequences=True)(x)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    x = keras.layers.LayerNormalization()(keras.layers.Dropout(0.1)(x))
    x = keras.layers.GlobalAveragePooling1D()(x)
    keras.Model(image, keras.layers.Dense(10, activation="softmax")(x)).export(
        OUT / "layers", verbose=False
    )


def version_one():
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        y = tf.matmul(x, v1.get_variable("w", [4, 2]))
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(OUT / "version_one"), {"x": x}, {"y": y})


layers()
version_one()
(OUT / "words.txt").write_text("a\nb\n")
for name, module in {
    "table": Table(),
    "vocabulary": Vocabulary(str(OUT / "words.txt")),
    "reader": Reader(),
    "writer": Writer(),
    "wrapper": Wrapper(),
}.items():
    tf.saved_model.save(module, str(OUT / name), signatures=module.serve)
