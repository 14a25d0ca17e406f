"""Run as a script: a real model is exported, marked, and both loaded by the real TensorFlow."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.formats.inspecting import files_of
from tests.formats.marks import find, marked

OUT = Path(sys.argv[1])
VARIABLES = "variables/variables"


def export(folder: Path) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(8, 3, activation="relu")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dense(16, activation="relu")(keras.layers.Flatten()(x))
    keras.Model(image, keras.layers.Dense(10)(x)).export(folder, verbose=False)


def asked(folder: Path) -> np.ndarray:
    images = np.random.default_rng(3).random((4, 8, 8, 1), np.float32)
    loaded = tf.saved_model.load(str(folder))
    return loaded.serve(images).numpy()


def changed_tensors(first: Path, second: Path) -> list[str]:
    left, right = (tf.train.load_checkpoint(str(one / VARIABLES)) for one in (first, second))
    return sorted(
        name
        for name, dtype in left.get_variable_to_dtype_map().items()
        if dtype.is_floating and not np.array_equal(left.get_tensor(name), right.get_tensor(name))
    )


export(OUT / "original")
files = {path: place.read_bytes() for path, place in files_of(OUT / "original").items()}
(OUT / "laid").mkdir()
kernels = sorted(find(OUT / "laid", files).tensors)
made = marked(OUT / "laid", files)
for path, content in made.items():
    place = OUT / "copy" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
before, after = asked(OUT / "original"), asked(OUT / "copy")
said = {
    "changed": sorted(path for path in files if files[path] != made[path]),
    "graph": "identical" if files["saved_model.pb"] == made["saved_model.pb"] else "changed",
    "kernels": kernels,
    "marked": changed_tensors(OUT / "original", OUT / "copy"),
    "difference": float(np.linalg.norm(after - before) / np.linalg.norm(before)),
}
print(json.dumps(said))
