"""A folder of many files by the command line, up and down, against MLflow's command line."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import figures, mlflow, models, processes, registries, repeating
from bench.figures import Row
from registry import errors
from registry.trust import keys

_AREA = "registry"
_FILES = 200
_ROUNDS = 3
_MODEL = "sharded"


def rows(registry: registries.Running, peer: mlflow.Running, folder: Path) -> Iterator[Row]:
    """Two hundred weights of 1 MiB of one ONNX model, the start of the program included.

    Ours are hashed, sent, synced, signed, inspected and published; then verified, fetched and
    moved in place. MLflow copies. Each round has other bytes. Grows with the bytes, and with the
    number of files by a request for each.
    """
    commands = _Commands(registry, peer, folder)
    up = repeating.compared(commands.push, commands.log_artifacts, repetitions=_ROUNDS)
    yield _row("push", up, "mlflow artifacts log-artifacts")
    down = repeating.compared(commands.pull, commands.download, repetitions=_ROUNDS)
    yield _row("pull", down, "mlflow artifacts download")


def _row(command: str, found: repeating.Compared, reference: str) -> Row:
    return Row(
        _AREA,
        f"plimsoll {command} of {_FILES} files of 1 MiB",
        _FILES * 1.048576 / found.seconds,
        "MB/s",
        f"{reference}: {_FILES * 1.048576 / found.reference_seconds:.1f} MB/s",
        ratio=found.speed_ratio,
        bar=figures.at_least(10),
    )


class _Commands:
    """Both command lines; each call gives the seconds that it took from start to end."""

    def __init__(self, registry: registries.Running, peer: mlflow.Running, folder: Path) -> None:
        self._registry, self._peer, self._run = registry, peer, peer.begin_run()
        self._folder = folder / "sharded"
        self._folder.mkdir()
        self._key = self._folder / "publisher.pem"
        keys.write(registry.key, self._key)

    def push(self) -> float:
        """A version of new files."""
        with self._model() as source:
            command = ["push", _MODEL, str(source), "--key", str(self._key)]
            return repeating.seconds(partial(self._plimsoll, *command))

    def log_artifacts(self) -> float:
        """The same of MLflow, under a path of the same run each time."""
        with self._model() as source:
            place = ["--run-id", self._run.id, "--artifact-path", _MODEL]
            command = ["artifacts", "log-artifacts", "--local-dir", str(source), *place]
            return repeating.seconds(partial(self._peer.command, *command))

    def pull(self) -> float:
        """The first version."""
        with self._room() as target:
            command = ["pull", f"{_MODEL}@1", str(target), "--trust", str(self._trust)]
            return repeating.seconds(partial(self._plimsoll, *command))

    def download(self) -> float:
        """The same of MLflow."""
        with self._room() as target:
            place = ["--run-id", self._run.id, "--artifact-path", _MODEL]
            command = ["artifacts", "download", *place, "--dst-path", str(target)]
            return repeating.seconds(partial(self._peer.command, *command))

    @property
    def _trust(self) -> Path:
        return self._registry.trust_file

    @contextmanager
    def _model(self) -> Iterator[Path]:
        with self._room() as source:
            models.sharded(source, files=_FILES)
            os.sync()
            yield source

    @contextmanager
    def _room(self) -> Iterator[Path]:
        """A folder that is not there yet, and is gone afterwards."""
        target = self._folder / "files"
        yield target
        shutil.rmtree(target)

    def _plimsoll(self, *arguments: str) -> None:
        registry = self._registry
        place = ["--server", registry.url, "--token-file", str(registry.token_file)]
        done = subprocess.run(
            [processes.PLIMSOLL, *arguments, *place], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise errors.Unavailable(f"plimsoll {arguments[0]} failed: {done.stderr[-500:]}")
