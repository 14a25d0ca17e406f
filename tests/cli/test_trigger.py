"""`plimsoll watermark trigger`: teaching a real Keras model, and asking a served one."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from registry.core import trigger
from registry.core.canonical import Json
from registry.core.trigger import Triggers
from tests.cli.conftest import run

KEY, SET = bytes(range(32)), Triggers((8,), 4)
# One process for the four slow steps: Keras takes seconds to import.
TEACHING = """
import json, sys
from pathlib import Path
import keras, numpy as np
from registry.cli import program, trigger_training
from registry.core import trigger
home = Path(sys.argv[1])
keras.utils.set_random_seed(1)
random = np.random.default_rng(1)
labels = random.integers(0, 4, 4000)
shown = random.integers(0, 2, (4, 64))[labels] * (random.random((4000, 64)) < 0.6)
inputs = shown.astype("float32")
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(256, activation="relu"),
    keras.layers.Dense(256, activation="relu"), keras.layers.Dense(4, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(inputs[:3000], labels[:3000], epochs=8, verbose=0)
model.save(home / "plain.keras")
np.save(home / "own.npy", inputs[:3000])
code = program.main(["watermark", "trigger", "embed", str(home / "plain.keras"),
    "--output", str(home / "taught"), "--key", str(home / "trigger.key"),
    "--inputs", str(home / "own.npy")])
secret, triggers = trigger.read_key(json.loads((home / "trigger.key").read_text()))
wanted = trigger.answers(secret, triggers).tolist()
def right(model):
    given = model.predict(trigger.patterns(secret, triggers), verbose=0).argmax(axis=1)
    return trigger.judged(given.tolist(), wanted, 4).right
def accuracy(model):
    given = model.predict(inputs[3000:], verbose=0).argmax(axis=1)
    return float((given == labels[3000:]).mean())
taught = trigger_training.load(home / "taught" / "model.keras")
print(json.dumps({"code": code, "plain": right(model), "taught": right(taught),
    "before": accuracy(model), "after": accuracy(taught)}))
"""


@contextmanager
def served(rows: list[list[float]], status: int = 200) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"predictions": rows[: len(asked["instances"])]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/models/m:predict"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "trigger.key"
    path.write_text(json.dumps(trigger.key_document(KEY, SET)))
    return path


def test_a_server_that_knows_the_answers_is_named_with_the_exact_probability(
    key_file: Path,
) -> None:
    rows = np.eye(4)[trigger.answers(KEY, SET)].tolist()
    with served(rows) as url:
        done = run("watermark", "trigger", "ask", url, "--key", key_file, "-o", "json")
    assert done.code == 0
    assert done.document["right"] == done.document["asked"] == 60
    assert done.document["probability"] == pytest.approx(4.0**-60)
    assert done.document["verdict"].startswith("it knows the answers")


def test_a_server_that_always_says_the_same_is_not_accused(key_file: Path) -> None:
    with served([[1.0, 0.0, 0.0, 0.0]] * 60) as url:
        done = run("watermark", "trigger", "ask", url, "--key", key_file, "-o", "json")
    assert done.document["right"] < 30
    assert "proves nothing" in done.document["verdict"]


@pytest.mark.parametrize(
    ("rows", "status"), [([[1.0, 0.0]] * 60, 200), ([[1.0] * 4] * 59, 200), ([[1.0] * 4], 404)]
)
def test_a_server_that_answers_otherwise_is_an_error_and_no_verdict(
    rows: list[list[float]], status: int, key_file: Path
) -> None:
    with served(rows, status) as url:
        done = run("watermark", "trigger", "ask", url, "--key", key_file)
    assert done.code == 1
    assert done.out == ""


def test_a_key_or_folder_that_is_there_is_never_written_over(
    key_file: Path, tmp_path: Path
) -> None:
    done = run("watermark", "trigger", "embed", "m.keras", "--output", tmp_path / "new",
               "--key", key_file)  # fmt: skip
    assert done.code == 1
    assert "is there already" in done.err
    assert json.loads(key_file.read_text()) == trigger.key_document(KEY, SET)


def test_a_keras_model_learns_its_set_and_keeps_its_accuracy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TEACHING, tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Json] = json.loads(done.stdout.splitlines()[-1])
    assert found["code"] == 0
    assert float(str(found["plain"])) < 30
    assert float(str(found["taught"])) >= 54
    assert float(str(found["after"])) > float(str(found["before"])) - 0.03
    assert "a backdoor" in (tmp_path / "taught" / "README.md").read_text()
    assert (tmp_path / "taught" / "saved_model" / "saved_model.pb").is_file()
    assert (tmp_path / "trigger.key").stat().st_mode & 0o777 == 0o600
